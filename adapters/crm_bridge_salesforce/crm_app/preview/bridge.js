/**
 * What stands in for Salesforce in the preview: `load`, `decide`, `startReply` and `navigate` are given by the page that
 * mounts the component, and every stub asks for them here.
 */
const given = { userId: "", load: null, decide: null, startReply: null, navigate: null };
const open = new Set();

export function give(functions) {
    Object.assign(given, functions);
}

export function ask(name, argument) {
    if (!given[name]) return Promise.reject(new Error(`the preview was given no ${name}`));
    return Promise.resolve(given[name](argument));
}

export function userId() {
    return given.userId;
}

/** The wire adapter of `load`; `refresh` of what it gave asks again, as refreshApex does. */
export class LoadAdapter {
    constructor(onData) {
        this.onData = onData;
        this.config = null;
    }
    connect() {
        open.add(this);
    }
    disconnect() {
        open.delete(this);
    }
    update(config) {
        this.config = config;
        if (config.caseId) this.refresh();
    }
    async refresh() {
        try {
            this.onData({ data: await ask("load", { ...this.config }), error: undefined });
        } catch (error) {
            this.onData({ data: undefined, error });
        }
    }
}

export async function refreshAll() {
    await Promise.all([...open].map((adapter) => adapter.refresh()));
}
