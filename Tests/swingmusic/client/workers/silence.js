// How long a song is silent at its ends.
onmessage = async ({ data }) => {
    const answer = await fetch(`${location.origin}/file/silence`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data), credentials: "include",
    });
    postMessage(await answer.json());
};
