// What has to outlive a page within this tab, and never the tab: the lead's id, its mail address, its token, its choice.

const NAME = "sign-up";

export function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? {};
  } catch {
    return {};
  }
}

export function remember(values) {
  const kept = { ...recall(), ...values };
  try {
    sessionStorage.setItem(NAME, JSON.stringify(kept));
  } catch {
    // A browser that keeps nothing: the page works as long as it is not left.
  }
  return kept;
}

export function forget() {
  sessionStorage.removeItem(NAME);
}
