// What unfold made for the mouse alone, for keyboards and screen readers too: what is pressed is a button that Tab
// reaches, what opens takes the focus and Escape gives it back, icons are no words, and a choice has its label's name.

const PRESSED = "[x-on\\:click]:not(a[href], button, :has(a[href], button, input), :empty)";
const REACHED = "a[href], button, input:not([type=hidden]), select, textarea, [tabindex='0']";
const ICON = ".material-symbols-outlined";
const opened = new Map(); // by what was pressed: the first of what that opened

function dress() {
  document.getElementById("main")?.setAttribute("role", "main");
  for (const each of document.querySelectorAll(PRESSED)) {
    each.role = "button";
    each.tabIndex = 0;
  }
  const texts = document.getElementById("office-texts").dataset;
  for (const icon of document.querySelectorAll(ICON)) {
    const control = icon.closest("a, button, [role=button]");
    const name = icon.textContent.trim();
    if (control?.textContent.trim() === name) {
      control.ariaLabel = icon.title || control.title || texts[name] || name;
    }
    if (control !== icon) icon.ariaHidden = "true";
  }
  for (const hint of document.querySelectorAll(".help-tooltip[aria-label]")) hint.role = "img";
  for (const field of document.querySelectorAll(".select2-search__field")) field.ariaLabel = texts.search;
  for (const choice of document.querySelectorAll(".select2-hidden-accessible")) {
    const shown = choice.nextElementSibling?.querySelector(".select2-selection__rendered");
    if (!shown || !choice.labels.length) continue;
    choice.labels[0].id ||= `${choice.id}-label`;
    shown.parentElement.setAttribute("aria-labelledby", `${choice.labels[0].id} ${shown.id}`);
    shown.parentElement.querySelector("input")?.setAttribute("aria-labelledby", choice.labels[0].id); // of many
    shown.removeAttribute("role"); // of a text that is typed, which it is not
    shown.removeAttribute("aria-readonly");
  }
}

const reached = () => [...document.querySelectorAll(REACHED)].filter((each) => each.checkVisibility());

async function press(button) {
  const before = new Set(reached());
  button.click();
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame); // Alpine shows it within them
  if (button.closest("nav:not(#nav-sidebar-inner)")) return; // a tab, or a choice that stays open
  const first = reached().find((each) => !before.has(each));
  if (!first) return;
  first.focus();
  opened.delete(button);
  opened.set(button, first);
}

addEventListener("keydown", (event) => {
  const button = event.target;
  if ((event.key === "Enter" || event.key === " ") && button.matches("[role=button][x-on\\:click]")) {
    event.preventDefault();
    press(button);
  }
  if (event.key === "Escape") {
    const [opener] = [...opened].findLast(([, first]) => first.checkVisibility()) ?? [];
    opener?.click();
    opener?.focus();
  }
}, true);

addEventListener("load", () => {
  dress();
  new MutationObserver(dress).observe(document.body, { childList: true, subtree: true });
});
