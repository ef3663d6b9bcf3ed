/**
 * Looks for news now and then: soon while something is coming, less and less often while nothing changes, not at all
 * while the tab is hidden, and at once when it is shown again. Owns the timer and the listener, and nothing else.
 */
export const SOON_MS = 3000;
export const OFTEN_MS = 15000;
export const SELDOM_MS = 60000;
const SLOWER = 1.5;

/**
 * `refresh`: looks once; resolves to true when something is new, rejects when it could not look.
 * `isWaiting`: whether something is expected to come soon.
 */
export function lookForNews(refresh, isWaiting) {
    let timer = null;
    let pause = SOON_MS;
    let stopped = false;
    let looking = false;

    let look = null;
    const plan = () => {
        clearTimeout(timer);
        if (stopped || document.hidden) return;
        // The component has no other way to learn of a change: outbound messages go to the bridge, not to the page.
        // eslint-disable-next-line @lwc/lwc/no-async-operation
        timer = setTimeout(() => look(), pause);
    };

    look = async () => {
        if (stopped || looking) return;
        looking = true;
        try {
            const isNew = await refresh();
            pause = isNew ? SOON_MS : Math.min(pause * SLOWER, isWaiting() ? OFTEN_MS : SELDOM_MS);
        } catch {
            pause = Math.min(pause * 2, SELDOM_MS);
        } finally {
            looking = false;
            plan();
        }
    };

    const shownAgain = () => {
        if (document.hidden) {
            clearTimeout(timer);
            return;
        }
        pause = SOON_MS;
        look();
    };

    document.addEventListener("visibilitychange", shownAgain);
    plan();
    return {
        /** Something was done here: what follows comes soon. */
        soon() {
            pause = SOON_MS;
            plan();
        },
        stop() {
            stopped = true;
            clearTimeout(timer);
            document.removeEventListener("visibilitychange", shownAgain);
        }
    };
}
