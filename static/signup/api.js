// The REST API, called as any frontend calls it.

const root = document.querySelector('meta[name="api"]').content;

/** An answer that is no success; `status` 0 says that the service could not be reached. */
export class Refused extends Error {
  constructor(status, error = {}, retryAfter = 0) {
    super(error.message ?? "");
    this.status = status;
    this.code = error.code ?? "";
    this.details = error.details ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The JSON that `method path` answers, null for none. Throws Refused, and AbortError when `signal` aborts it. */
export async function call(method, path, { body, token, headers = {}, signal } = {}) {
  // No cookie is sent, so the page's language is: a sign-up's is that of its mails.
  const sent = { Accept: "application/json", "Accept-Language": document.documentElement.lang, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (token) sent.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(root + path, {
      method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0);
  }
  const data = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (answer.ok) return data;
  throw new Refused(answer.status, data?.error, Number(answer.headers.get("Retry-After")) || 0);
}
