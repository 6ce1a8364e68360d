// Comfort for the pages of the network disk: questions before deleting, progress of uploads, files dropped on the page.
"use strict";

for (const button of document.querySelectorAll("[data-confirm]")) {
  button.addEventListener("click", (event) => {
    if (!window.confirm(button.dataset.confirm)) event.preventDefault();
  });
}

const form = document.querySelector("form.put");
if (form) {
  const input = form.querySelector("input[type=file]");
  const status = form.querySelector("output");

  const send = (file) => new Promise((resolve) => {
    const data = new FormData();
    for (const field of form.querySelectorAll("input[type=hidden]")) data.append(field.name, field.value);
    data.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (event) => {
      status.textContent = `${file.name}: ${Math.floor((100 * event.loaded) / Math.max(1, event.total))} %`;
    });
    request.addEventListener("load", () => resolve(request.status < 400 ? "" : reason(request)));
    request.addEventListener("error", () => resolve("the connection was cut"));
    request.open("POST", form.action);
    request.send(data);
  });

  const reason = (request) => {
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const message = page.querySelector("#message");
    return message ? message.textContent : `error ${request.status}`;
  };

  const sendAll = async (files) => {
    const failed = [];
    for (const file of files) {
      const most = Number(input.dataset.most);
      const why = file.size > most ? "it is too large" : await send(file);
      if (why) failed.push(`${file.name}: ${why}`);
    }
    if (failed.length) status.textContent = failed.join("\n");
    else window.location.reload();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendAll([...input.files]);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", () => form.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    if (event.dataTransfer.files.length) sendAll([...event.dataTransfer.files]);
  });
}
