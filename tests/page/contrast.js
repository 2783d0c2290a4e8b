// The texts of the page that stand out too little from their ground (WCAG 2.2, 1.4.3: 4.5 to 1).
(() => {
    const channel = (value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    };
    const parse = (text) => {
        const found = text.match(/[\d.]+/g).map(Number);
        return { rgb: found.slice(0, 3), alpha: found[3] ?? 1 };
    };
    const light = ({ rgb }) => {
        return 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
    };
    const groundOf = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const ground = parse(getComputedStyle(at).backgroundColor);
            if (ground.alpha > 0.99) {
                return ground;
            }
        }
        return { rgb: [255, 255, 255] };
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.data.trim();
        if (!text || !element.checkVisibility({ opacityProperty: true })) {
            continue;
        }
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(groundOf(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) {
            found.push(`${text.slice(0, 40)} (${element.className}): ${ratio.toFixed(2)}`);
        }
    }
    return found;
})();
