"use strict";

// The address of the document stands in the page, never in the query string.
const target = document.getElementById("swagger-ui");

// Swagger UI has a dark mode and leaves it to the page when it is on.
const isDark = window.matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", isDark.matches);
isDark.addEventListener("change", followScheme);
followScheme();

window.addEventListener("load", () => {
  SwaggerUIBundle({
    domNode: target,
    url: target.dataset.url,
    queryConfigEnabled: false,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    tryItOutEnabled: true,
    showExtensions: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
  });
});
