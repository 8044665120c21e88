"""The id and secret with which a library asks for a token: of the environment, else what any server takes that knows no keys."""
import os

IS_GIVEN = "CLIENT_KEY" in os.environ
ID, SECRET = os.environ.get("CLIENT_KEY", "client:secret").split(":")
