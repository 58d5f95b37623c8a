"use strict";

// The address of the document stands in the page, never in the query string.
const target = document.getElementById("swagger-ui");

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
