/** Copies what stands in `element`; true when that worked. Where a frame forbids it, the text is selected instead. */
export async function copyFrom(element) {
    try {
        await navigator.clipboard.writeText(element.value ?? element.textContent);
        return true;
    } catch {
        element.focus();
        if (element.select) element.select();
        return false;
    }
}
