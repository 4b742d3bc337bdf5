// Keeps undo and redo within the text that the composer shows. Chromium would also bring back text
// that was deleted in another room or before an edit began.

/** Watches a field. Call the returned function after each change, including the page's own. */
export function mountUndoHistory(text: HTMLTextAreaElement): () => void {
  /** The text that the page set last; `undefined` if it has set none. */
  let start: string | undefined;
  /** The texts from which the person has returned to that one, for example by deleting all. */
  let returns: string[] = [];
  let undoneSteps = 0;
  let before = text.value;
  /** Whether the person made the last change, not the page. */
  let isInput = true;
  text.addEventListener("beforeinput", (event) => {
    if (start === undefined) return;
    const isUndo = event.inputType === "historyUndo";
    const isRedo = event.inputType === "historyRedo";
    const isAtStart = text.value === start && returns.length === 0;
    if (isUndo && isAtStart || isRedo && undoneSteps === 0) event.preventDefault();
  });
  // Before the composer's own listener.
  text.addEventListener("input", (event) => {
    const { inputType } = event as InputEvent;
    const { value } = text;
    isInput = true;
    if (inputType === "historyUndo") {
      undoneSteps++;
      // A step may undo more than one deletion, or only the end of one.
      if (value.includes(returns.at(-1) ?? "\0")) returns.pop();
    } else {
      undoneSteps = inputType === "historyRedo" ? undoneSteps - 1 : 0;
      if (value === start) returns.push(before);
    }
    before = value;
  }, { capture: true });
  return () => {
    if (!isInput) [start, returns, undoneSteps, before] = [text.value, [], 0, text.value];
    isInput = false;
  };
}
