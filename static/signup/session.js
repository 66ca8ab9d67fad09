// What has to outlive a page within this tab, and never the tab: the lead's id, its mail address, its token, its choice.

const NAME = "sign-up";
let kept = stored();

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? {};
  } catch {
    return {};
  }
}

function keep(values) {
  kept = values;
  try {
    sessionStorage.setItem(NAME, JSON.stringify(kept));
  } catch {
    // A browser that keeps nothing: the page works as long as it is not left.
  }
}

export const recall = () => kept;
export const remember = (values) => keep({ ...kept, ...values });
export const forget = () => keep({});
