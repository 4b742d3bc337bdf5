// The parts of the forms in the dialogs.

import { element } from "./dom.ts";
import type { Child } from "./dom.ts";

/** Creates a form that calls `onSubmit` instead of loading a page. */
export function form(onSubmit: () => void, ...children: readonly Child[]): HTMLFormElement {
  const node = element("form", {}, ...children);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    onSubmit();
  });
  return node;
}

/** Creates a form with one field, a button beside it, and a line for problems below. */
export function fieldForm(
  label: string,
  field: HTMLInputElement,
  submitLabel: string,
  problem: HTMLElement,
  onSubmit: () => void,
): HTMLFormElement {
  return form(
    onSubmit,
    element("label", { for: field.id }, label),
    line(field, element("button", { type: "submit", class: "primary" }, submitLabel)),
    problem,
  );
}

export function line(...children: readonly Child[]): HTMLElement {
  return element("div", { class: "line" }, ...children);
}

export function section(title: string, ...children: readonly Child[]): HTMLElement {
  return element("section", {}, element("h3", {}, title), ...children);
}

/** Creates a read-only field for a text to copy. A click selects all of it. */
export function copyField(label: string, value = ""): HTMLInputElement {
  const field = element("input", { readonly: true, "aria-label": label, value });
  // Safari clears a selection made on focus when the button is released.
  field.addEventListener("click", () => field.select());
  return field;
}

/** Creates a line whose changes screen readers announce, such as a problem. */
export function statusLine(className = "hint"): HTMLElement {
  return element("p", { class: className, role: "status" });
}

/** Creates a checkbox after its label. */
export function checkbox(label: Child, isChecked: boolean) {
  const box = element("input", { type: "checkbox", checked: isChecked });
  return { box, node: element("label", { class: "line" }, label, box) };
}

/** Creates a labeled choice; `choices` has the label of each value. */
export function select<Value extends string>(
  label: string,
  choices: Readonly<Record<Value, string>>,
  current: Value,
  onSelect: (value: Value) => void,
): HTMLElement {
  const values = Object.keys(choices) as Value[];
  const options = values.map((value) =>
    element("option", { value, selected: value === current }, choices[value])
  );
  const node = element("select", {}, ...options);
  node.addEventListener("change", () => {
    const value = values[node.selectedIndex];
    if (value !== undefined) onSelect(value);
  });
  return element("label", { class: "line" }, label, node);
}
