// Opens the page in headless Chromium, gives it files, and says what it shows: for the tests.
// Arguments: the browser, or nothing for the one from npm; the address; the picture to take; the
// files. Prints one line of JSON for each file.

import { chromium } from 'playwright-core';

const [program, address, picture, ...files] = process.argv.slice(2);

async function launchOptions() {
    if (program) {
        return { executablePath: program, args: ['--no-sandbox', '--disable-dev-shm-usage'] };
    }
    const { default: sparticuz } = await import('@sparticuz/chromium');
    return { executablePath: await sparticuz.executablePath(), args: sparticuz.args };
}

const browser = await chromium.launch(await launchOptions());
try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
    const wrong = [];
    const asked = [];
    page.on('pageerror', (problem) => wrong.push(String(problem)));
    page.on('console', (message) => {
        if (message.type() === 'error') {
            wrong.push(message.text());
        }
    });
    await page.goto(address);
    page.on('request', (request) => asked.push(request.url()));
    for (const [at, file] of files.entries()) {
        await page.setInputFiles('#file', file);
        const article = page.locator('article').nth(0);
        await page.waitForFunction((count) => {
            return document.querySelectorAll('article').length === count;
        }, at + 1);
        const verdict = await article.getAttribute('class');
        const checks = await article.locator('table').first().locator('tr').count();
        const text = await article.innerText();
        console.log(JSON.stringify({ verdict, checks, text, wrong, asked }));
    }
    await page.screenshot({ path: picture, fullPage: true });
} finally {
    await browser.close();
}
