"""An app's token for a library that leaves asking for one to its user."""
import aiohttp

import key


async def app_token():
    async with aiohttp.ClientSession() as session:
        answer = await session.post("https://accounts.spotify.com/api/token", data={"grant_type": "client_credentials"},
                                    auth=aiohttp.BasicAuth(key.ID, key.SECRET))
        return (await answer.json())["access_token"]
