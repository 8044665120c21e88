import JSON
import Spotify

/// What Spotify lets an account do. Every app that a self-hoster registers is in development mode; some older ones are in extended
/// quota mode. The answers show which.
public enum AccountMode: String, Sendable {
    case development, extended

    /// The name under which the limiter's file remembers it for all workers and the next start.
    public static let fact = "account-mode"

    /// What an answer shows; nil when it could be either's.
    init?(_ resource: Resource, _ root: JSONNode) {
        switch resource {
        case .object(.track, _, _), .object(.album, _, _), .object(.artist, _, _):
            self = root.has("popularity") ? .extended : .development
        case .object(.playlist, _, _):
            guard root.has("tracks") != root.has("items") else { return nil }
            self = root.has("tracks") ? .extended : .development
        case .topTracks: self = .extended
        case .withEpisodes(let plain), .kept(let plain): self.init(plain, root)
        default: return nil
        }
    }

    /// What a refusal shows.
    init?(_ resource: Resource, refusedWith denial: NegativeEntry) {
        guard denial.status == 403, case .topTracks = resource else { return nil }
        self = .development
    }
}
