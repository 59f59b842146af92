"use strict";
// The mark nearest to the pointer says what it is; a click on a seed gives the line that runs it.
for (const figure of document.querySelectorAll("figure")) {
  const svg = figure.querySelector("svg");
  const says = figure.querySelector("output");
  const cursor = figure.querySelector(".cursor");
  const marks = [...figure.querySelectorAll("[data-says]")].map((mark) => ({
    mark, x: mark.cx.baseVal.value, y: mark.cy.baseVal.value,
  }));
  const nearest = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const away = ({ x, y }) => (x - at.x) ** 2 + (y - at.y) ** 2;
    return marks.reduce((best, other) => (away(other) < away(best) ? other : best));
  };
  const point = (event) => {
    const { mark, x, y } = nearest(event);
    cursor.setAttribute("cx", x);
    cursor.setAttribute("cy", y);
    cursor.style.display = "inline";
    says.textContent = mark.dataset.says;
    return mark;
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("click", (event) => {
    const { seed, says: text } = point(event).dataset;
    if (seed !== undefined) {
      const command = figure.dataset.command + seed;
      says.textContent = `${text} · ${command}`;
      navigator.clipboard?.writeText(command).catch(() => {});
    }
  });
}
