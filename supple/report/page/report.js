// Draws the figures of the page, in the colours of its theme, and again when the theme changes.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displayModeBar: false };

  // A colour arrives as the name of a CSS variable, for only the page knows its theme.
  function coloured(value, style) {
    if (typeof value === "string") {
      const variable = /^var\((--[a-z-]+)\)$/.exec(value);
      return variable ? style.getPropertyValue(variable[1]).trim() : value;
    }
    if (Array.isArray(value)) {
      return value.map((item) => coloured(item, style));
    }
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    for (const [id, figure] of Object.entries(figures)) {
      // One finger scrolls the page: a plot that zooms instead would trap it.
      const layout = { ...figure.layout, dragmode: touch ? false : "zoom", uirevision: "keep the reader's zoom" };
      Plotly.react(id, coloured(figure.data, style), coloured(layout, style), config);
    }
  }

  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
