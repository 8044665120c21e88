// A stream of events; when it ends for good, a new one after 1, 2, 4, ... 30 s, ten times.
let delay = 1000, attempts = 0;

function connect() {
    const source = new EventSource(`${location.origin}/events/stream`, { withCredentials: true });
    source.onopen = () => {
        [delay, attempts] = [1000, 0];
        postMessage({ type: "connection", status: "connected" });
    };
    source.onmessage = event => postMessage({ type: "message", data: JSON.parse(event.data) });
    source.onerror = () => {
        postMessage({ type: "connection", status: "error" });
        if (source.readyState !== EventSource.CLOSED || attempts >= 10) return;
        attempts += 1;
        setTimeout(connect, delay);
        delay = Math.min(delay * 2, 30000);
    };
}

onmessage = ({ data }) => {
    if (data.command === "connect") connect();
};
