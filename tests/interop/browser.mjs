// Opens the page in headless Chromium, gives it files, and says what it shows: for the tests.
// Arguments: the address, the picture to take, the files. Prints one line of JSON for each file.

import sparticuz from '@sparticuz/chromium';
import { chromium } from 'playwright-core';

const [address, picture, ...files] = process.argv.slice(2);
const executablePath = await sparticuz.executablePath();
const browser = await chromium.launch({ executablePath, args: sparticuz.args });
try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
    const wrong = [];
    page.on('pageerror', (problem) => wrong.push(String(problem)));
    page.on('console', (message) => {
        if (message.type() === 'error') {
            wrong.push(message.text());
        }
    });
    await page.goto(address);
    for (const [at, file] of files.entries()) {
        await page.setInputFiles('#file', file);
        const article = page.locator('article').nth(0);
        await page.waitForFunction((count) => {
            return document.querySelectorAll('article').length === count;
        }, at + 1);
        const verdict = await article.getAttribute('class');
        const checks = await article.locator('table').first().locator('tr').count();
        console.log(JSON.stringify({ verdict, checks, text: await article.innerText(), wrong }));
    }
    await page.screenshot({ path: picture, fullPage: true });
} finally {
    await browser.close();
}
