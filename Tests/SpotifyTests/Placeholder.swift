import Testing
@testable import Spotify

@Suite struct SpotifyPlaceholderTests {}
