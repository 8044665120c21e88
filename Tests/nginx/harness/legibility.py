"""Scripts that look at a page for what makes it hard to read."""

#: Elements of which a part lies outside of the window or of what holds them, and texts too small to read.
MISFITS = """
[...document.querySelectorAll("body *")].filter(element => {
    const box = element.getBoundingClientRect();
    return box.right > innerWidth + 1 || box.left < -1 || element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
        || parseFloat(getComputedStyle(element).fontSize) < 12;
}).map(element => element.outerHTML.slice(0, 200))
"""

#: The lowest contrast of a text with what it stands on (WCAG 2, relative luminance).
CONTRAST = """
(() => {
    const channels = color => color.match(/[\\d.]+/g).map(Number);
    const luminance = color => {
        const [r, g, b] = channels(color).slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (channels(color)[3] !== 0) return color;
        }
    };
    const texts = [...document.querySelectorAll("main *")].filter(element => [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
    return Math.min(...texts.map(element => {
        const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort();
        return (b + 0.05) / (a + 0.05);
    }));
})()
"""
