// The HTML shell of the server's small pages: errors and status.

/** A small page. Nothing in it is escaped. */
export interface HtmlPage {
  readonly title: string;
  /** Where a browser finds the chat, without a trailing slash. */
  readonly basePath: string;
  /** Stylesheets below `/assets/`. */
  readonly stylesheets: readonly string[];
  /** The `body` element. */
  readonly body: string;
}

export function htmlPage({ title, basePath, stylesheets, body }: HtmlPage): string {
  const links = stylesheets.map((file) =>
    `    <link rel="stylesheet" href="${basePath}/assets/${file}">`
  );
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>${title} · Parley</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="${basePath}/assets/icon.svg">
${links.join("\n")}
  </head>
${body}
</html>
`;
}
