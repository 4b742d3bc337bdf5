document.title = "x";
export const y: string = document.title;
