/// The kinds of Spotify objects that this program looks up, by their name in URIs and links.
public enum ObjectKind: String, Sendable, CaseIterable {
    case track, album, artist, playlist
}
