// The sidebars as drawers: on narrow screens they float over the conversation, one at a time.

import { byId } from "./dom.ts";

/** Mounts the drawers. */
export function mountDrawers() {
  const drawers = [byId<"nav">("rooms"), byId<"aside">("people")];
  const talk = byId<"main">("talk");
  const shade = byId<"button">("shade");
  /** The button that opened a drawer. */
  let opener: HTMLElement | undefined;

  const isFloating = (sidebar: HTMLElement) => getComputedStyle(sidebar).position === "fixed";
  /** Opens a sidebar and focuses it. Beside the conversation, it only gets the focus. */
  const open = (sidebar: HTMLElement, by: HTMLElement) => {
    if (isFloating(sidebar)) {
      opener = by;
      sidebar.classList.add("open");
      shade.hidden = false;
      talk.inert = true;
      by.setAttribute("aria-expanded", "true");
    }
    const first = sidebar.querySelector<HTMLElement>('[aria-current], [tabindex="-1"]');
    (first ?? sidebar).focus();
  };
  const close = () => {
    if (opener === undefined) return;
    for (const drawer of drawers) drawer.classList.remove("open");
    shade.hidden = true;
    talk.inert = false;
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
    opener = undefined;
  };
  shade.addEventListener("click", close);
  // A wider screen shows the sidebar beside the conversation again.
  addEventListener("resize", () => {
    const drawer = drawers.find(({ classList }) => classList.contains("open"));
    if (drawer !== undefined && !isFloating(drawer)) close();
  });
  document.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    if (opener !== undefined) close();
    else if (target instanceof Element && target.closest(".side") !== null) {
      byId<"textarea">("text").focus();
    }
  });
  return { open, close };
}
