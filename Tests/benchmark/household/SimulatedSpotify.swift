import Platform
import RateLimiting
import Spotify

/// The client of the Web API in simulated time: a call is made for real, at once, while the clock stands; its end is heard of after `latency`.
/// When nothing is to be done the clock goes on, here.
///
/// `@unchecked Sendable`: everything here is done by the one thread that runs the lookup loop.
final class SimulatedSpotify: SpotifyCalls, @unchecked Sendable {
    private let real: SpotifyClient
    private let agenda: Agenda
    private let latency: Duration
    /// Begun, and not made yet.
    private var begun: [() -> Void] = []
    private(set) var active = 0
    /// Why the call is made for which a permit was spent last.
    var reason = Priority.caller
    /// What the last call was for.
    private var family = ""

    init(_ real: SpotifyClient, _ agenda: Agenda, latency: Duration) {
        self.real = real
        self.agenda = agenda
        self.latency = latency
    }

    func begin(gate: @escaping () -> Gate, sent: @escaping () -> Void, completion: @escaping (CallResult) -> Void) {
        active += 1
        begun.append { [self] in
            var wasSent = false
            var result: CallResult?
            real.begin(
                gate: { self.timed(gate()) },
                sent: {
                    wasSent = true; sent()
                }, completion: { result = $0 })
            while result == nil { real.poll(for: .seconds(1), wake: nil) }
            if wasSent, let result { print("call \(agenda.now) \(reason.words) \(result.status) \(family)") }
            agenda.enter(after: wasSent ? latency : .zero) { [self] in
                active -= 1
                result.map(completion)
            }
        }
    }

    /// The permit is good for as long as the clock stands, and the stand-in is told when the call is.
    private func timed(_ gate: Gate) -> Gate {
        guard case .send(let target, let bearer, _) = gate else { return .hold }
        family = Family.of(target)
        return .send(target: "\(target)\(target.contains("?") ? "&" : "?")at=\(agenda.now)", bearer: bearer)
    }

    func requestToken(_ credentials: SpotifyCredentials, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void) {
        active += 1
        begun.append { [self] in
            var result: Result<AccessToken, SpotifyError>?
            real.requestToken(credentials) { result = $0 }
            while result == nil { real.poll(for: .seconds(1), wake: nil) }
            agenda.enter(after: latency) { [self] in
                active -= 1
                result.map(completion)
            }
        }
    }

    func poll(for longest: Duration, wake: EventFD?) {
        let calls = begun
        begun = []
        for call in calls { call() }
        guard wake?.take() != true else { return }
        agenda.advance(atMost: longest) { wake?.take() == true }
    }
}

extension CallResult {
    /// As far as the household's figures need it: 429 is told from the rest.
    fileprivate var status: Int {
        switch self {
        case .answer: 200
        case .failure(.rateLimited): 429
        default: 0
        }
    }
}

extension Priority {
    fileprivate var words: String {
        switch self {
        case .caller, .unattended: "waited-for"
        case .renewal: "renewal"
        case .warming: "warm"
        }
    }
}
