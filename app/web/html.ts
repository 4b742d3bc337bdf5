// The HTML shell of the server's small pages: errors and status.

/** The chat that a page belongs to. */
export interface Chat {
  /** Name of the chat, escaped. */
  readonly title: string;
  /** Path of the chat as browsers see it, without a trailing slash. */
  readonly basePath: string;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Returns a small page. The caller must escape all texts. */
export function htmlPage({ language, title, chat, stylesheets, body }: {
  readonly language: string;
  readonly title: string;
  readonly chat: Chat;
  /** Stylesheets below `/assets/`. */
  readonly stylesheets: readonly string[];
  /** The `body` element. */
  readonly body: string;
}): string {
  const links = stylesheets.map((file) =>
    `    <link rel="stylesheet" href="${chat.basePath}/assets/${file}">`
  );
  return `<!DOCTYPE html>
<html lang="${language}">
  <head>
    <meta charset="utf-8">
    <title>${title} · ${chat.title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="${chat.basePath}/assets/icon.svg">
${links.join("\n")}
  </head>
${body}
</html>
`;
}
