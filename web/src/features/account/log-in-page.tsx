import { useState } from "react";

import { ErrorNote } from "../../components/error-note";
import { useTitle } from "../../lib/use-title";
import { useEnter } from "./api";

export function LogInPage() {
  const [isNew, setIsNew] = useState(false);
  const enter = useEnter(isNew);
  const act = isNew ? "Sign up" : "Log in";
  useTitle(act);

  function submit(event: React.FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    enter.mutate({ name: String(form.get("name")), password: String(form.get("password")) });
  }

  return (
    <main className="entrance">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>Strata</h1>
      <p className="soft">Open a model, run it in float and in integers, and stop at any layer.</p>
      <form className="card stack" onSubmit={submit}>
        <h2>{act}</h2>
        <label>
          Name
          <input
            name="name"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            minLength={isNew ? 3 : 1}
            maxLength={40}
            aria-describedby={isNew ? "name-rule" : undefined}
          />
        </label>
        {isNew && (
          <p id="name-rule" className="soft small">
            3 to 40 letters a to z, digits, dots, dashes or underscores.
          </p>
        )}
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={isNew ? "new-password" : "current-password"}
            required
            minLength={isNew ? 10 : 1}
            maxLength={200}
            aria-describedby={isNew ? "password-rule" : undefined}
          />
        </label>
        {isNew && (
          <p id="password-rule" className="soft small">
            At least 10 characters.
          </p>
        )}
        <ErrorNote error={enter.error} />
        <button className="primary" disabled={enter.isPending}>
          {enter.isPending ? "One moment …" : act}
        </button>
        <button
          type="button"
          className="link"
          onClick={() => {
            enter.reset();
            setIsNew(!isNew);
          }}
        >
          {isNew ? "I have an account: log in" : "I am new here: sign up"}
        </button>
      </form>
    </main>
  );
}
