() => {
  // Puts the keyboard where it is needed next, once that is on the page; never takes it from where a player put it.
  const wanted = ["#country-input", "button#next", "button#again", "#player-name :is(input, textarea)"];
  const shown = (node) => node && node.offsetParent;
  window.focusOnNext = () => {
    let tries = 0;
    const look = () => {
      const found = wanted.map((one) => document.querySelector(one)).find(shown);
      const idle = document.activeElement === document.body || !shown(document.activeElement);
      if (found && (idle || !tries)) found.focus({ preventScroll: true });
      // The result is read out with the button that goes on.
      if (found && found.id === "next") found.setAttribute("aria-describedby", "verdict");
      if (tries++ < 20) setTimeout(look, 50);
    };
    setTimeout(look, 30);
  };
  // Somebody has joined in another tab: this one must not ask for a name any more.
  window.addEventListener("storage", (event) => {
    if (event.key && event.key.startsWith("lost-and-found-") && shown(document.querySelector("#player-name")))
      location.reload();
  });
}
