// Applies the theme before the first paint, so dark pages never flash white.
globalThis.applyAppearance = ({ theme = "system", density }) => {
  Object.assign(document.documentElement.dataset, { theme, density });
  ["light", "dark"].forEach((own, i) => {
    document.querySelectorAll("meta[media]")[i].media = theme === "system"
      ? `(prefers-color-scheme: ${own})`
      : theme === own
      ? "all"
      : "not all";
  });
};
try {
  applyAppearance(JSON.parse(localStorage["parley.settings"]));
} catch {
  applyAppearance({});
}
