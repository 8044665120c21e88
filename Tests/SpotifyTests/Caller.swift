import CSystem
import Logging

@testable import Spotify

/// A client with its own stand-in, driven until its calls have ended.
final class Caller {
    let standIn: StandIn
    let client: SpotifyClient
    var token = ""
    /// How often a gate was passed.
    private(set) var asked = 0
    /// When the last gate said send.
    private(set) var sentAt: UInt64 = 0

    static let track = "/v1/tracks/11dFghVXANMlKmJXsNCbNl"

    init(timeout: Duration = .seconds(5), log: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) throws {
        standIn = try StandIn()
        let endpoints = SpotifyEndpoints(
            apiURL: standIn.address, accountsURL: standIn.address + "/", timeout: timeout, userAgent: "tests/1")
        client = try SpotifyClient(endpoints: endpoints, log: log)
        token = try renew().get().token
    }

    func renew(secret: String = "s3cret") throws -> Result<AccessToken, SpotifyError> {
        var result: Result<AccessToken, SpotifyError>?
        client.requestToken(SpotifyCredentials(clientID: "client", clientSecret: secret)) { result = $0 }
        drive { result == nil }
        guard let result else { throw StandInFailure(text: "the token request did not end") }
        return result
    }

    func call(_ target: String = track, bearer: String? = nil) throws -> CallResult {
        let bearer = bearer ?? token
        return try call { .send(target: target, bearer: bearer) }
    }

    func call(gate: @escaping () -> Gate) throws -> CallResult {
        var result: CallResult?
        client.begin {
            self.asked += 1
            let answer = gate()
            self.sentAt = csys_monotonic_ns()
            return answer
        } completion: {
            result = $0
        }
        drive { result == nil }
        guard let result else { throw StandInFailure(text: "the call did not end") }
        return result
    }

    /// Polls while a condition holds, 10 s at most.
    func drive(while condition: () -> Bool) {
        let end = csys_monotonic_ns() + 10_000_000_000
        while condition(), csys_monotonic_ns() < end { client.poll(for: .milliseconds(100), wake: nil) }
    }
}
