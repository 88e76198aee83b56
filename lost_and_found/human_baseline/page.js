() => {
  // Puts the keyboard where it is needed next, once that is on the page; never takes it from where a player put it.
  const wanted = ["#country-input", "button#next", "button#again", "button#leave", "#player-name :is(input, textarea)"];
  const results = { next: "verdict", again: "summary", leave: "summary" };
  const shown = (node) => node && node.offsetParent;
  window.focusOnNext = () => {
    let tries = 0;
    document.querySelectorAll(".quiz [aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    const look = () => {
      const found = wanted.map((one) => document.querySelector(one)).find(shown);
      const idle = document.activeElement === document.body || !shown(document.activeElement);
      if (found && (idle || !tries)) found.focus({ preventScroll: true });
      // The result is read out with the button that goes on.
      if (found && results[found.id]) found.setAttribute("aria-describedby", results[found.id]);
      if (tries++ < 20) setTimeout(look, 50);
    };
    setTimeout(look, 30);
  };
  // Dimmed by quiz.css until the answer is there.
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".quiz :is(.primary, #leave)");
    if (button) button.setAttribute("aria-busy", "true");
  });
  // Gradio makes each radio button a group of its own, in which the arrow keys find no other.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step || event.altKey || event.metaKey || event.target.type !== "radio") return;
    event.preventDefault();
    const radios = [...document.querySelectorAll(".quiz [type=radio]")];
    const next = radios.at((radios.indexOf(event.target) + step) % radios.length);
    next.focus();
    next.click();
  });
  // A server that was started anew asks for the password again; until then no button would do anything.
  const send = window.fetch;
  window.fetch = async (...request) => {
    const response = await send(...request);
    if (response.status === 401) location.reload();
    return response;
  };
  // Somebody has joined in another tab: this one must not ask for a name any more.
  window.addEventListener("storage", (event) => {
    if (event.key && event.key.startsWith("lost-and-found-") && shown(document.querySelector("#player-name")))
      location.reload();
  });
}
