// What was heard.
onmessage = ({ data }) => fetch(`${location.origin}/logger/track/log`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data), credentials: "include",
});
