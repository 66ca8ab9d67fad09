// unfold asks for the system's scheme once, as a page comes; a page left open follows the system with this.
// What is bound to the theme is worked out anew only when it changes: so it changes there and back.

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const page = Alpine.$data(document.documentElement);
  if (page.adminTheme !== "auto") return;
  page.adminTheme = "light";
  page.adminTheme = "auto";
});
