// The page uses only features of the oldest supported browsers: Chrome and Edge 123, Firefox 125,
// and Safari 17.5. `deno check` allows JavaScript APIs up to ES2024, which all of these support.

import { assert, assertEquals } from "@std/assert";
import { readScripts } from "../../../app/web/assets.ts";

const root = new URL("../../../", import.meta.url);

/** Syntax and APIs of the web that came later, and that type checking accepts. */
const tooNew = [
  /\bURL\.parse\(/, // Chrome 126, Firefox 126, Safari 18
  /\(\?[ims]*-?[ims]*:(?<!\(\?:)/, // modifiers in regular expressions: Chrome 125, Firefox 132
  /\busing [\w$]+\s*=/, // Chrome 134, Firefox 141
  /\bwith\s*\{\s*type:/, // import attributes: Firefox 138
  /\.moveBefore\(/, // Chrome 133, Firefox 144
  /\bcaretPositionFromPoint\(/, // Chrome 128, Safari 26.2
  /\bstartViewTransition\(/, // Firefox 144, Safari 18
  /\bscheduler\./, // Firefox 142
  /\b(?:setHTML|setHTMLUnsafe|parseHTMLUnsafe)\(/, // Chrome 124, Firefox 128
  /\bnew CloseWatcher\b/, // Chrome 126
  /\bnew Intl\.DurationFormat\b/, // Chrome 129, Firefox 136
  /\bAtomics\.waitAsync\(/, // Firefox 145
  /\b(?:requestClose|closedBy)\b/, // Chrome 134, Firefox 139
  /\b(?:ariaNotify|commandForElement)\b/, // Chrome 135
];

Deno.test("the page uses nothing newer than the oldest supported browsers", async () => {
  const scripts = await readScripts({
    staticDir: new URL("static", root).pathname,
    dev: false,
    basePath: "",
  });
  for (const [name, bytes] of Object.entries(scripts)) {
    const text = new TextDecoder().decode(bytes);
    for (const pattern of tooNew) assert(!pattern.test(text), `${name} has ${pattern}`);
  }
  const { compilerOptions } = JSON.parse(
    await Deno.readTextFile(new URL("static/client/deno.json", root)),
  );
  assertEquals(compilerOptions.lib, ["dom", "dom.iterable", "es2024"]);
});

/** Features of CSS that came later and have no fallback, or that Safari knows by another name. */
const tooNewStyles = [
  /[^-]user-select/, // Safari, except with -webkit-
  /@(?:property|starting-style|scope|container\s+scroll|function|position-try)\b/, // Firefox 128+
  /\bfrom\s+(?:var\(|currentcolor|#)/i, // relative colors: Firefox 128
  /\b(?:anchor|calc-size|if|contrast-color|round|sibling-index)\(/, // at the earliest Chrome 125
  /\btext-(?:box|wrap-style)\b|text-wrap:\s*(?!balance|wrap|nowrap)/, // Safari 18.2
  /\b(?:interpolate-size|anchor-name|position-area|corner-shape|zoom|ruby-align)\s*:/,
  /::?(?:details-content|picker|checkmark|open|state)\b/, // Chrome 125+
];

Deno.test("the styles use nothing newer than the oldest supported browsers", async () => {
  for (const name of ["style.css", "print.css", "status.css"]) {
    const css = await Deno.readTextFile(new URL(`static/${name}`, root));
    for (const pattern of tooNewStyles) assert(!pattern.test(css), `${name} has ${pattern}`);
  }
});

Deno.test("index.html and README.md name the same browser versions", async () => {
  const versions = "Chrome or Edge 123, Firefox 125, or Safari 17.5";
  for (const file of ["static/index.html", "README.md"]) {
    const text = (await Deno.readTextFile(new URL(file, root))).replace(/\s+/g, " ");
    assert(text.includes(versions), file);
  }
});
