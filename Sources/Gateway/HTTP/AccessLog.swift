import FastCGI
import Logging
import Platform

/// A line in the log for each request that was not served (5xx) or was throttled (429), why, for whom and after how long, with nginx's
/// request id, so that it is found in nginx's own logs. Of a flood it says a few a second and then how many it left out: the log must not cost what the answers do not.
final class AccessLog: Sendable {
    private let log: Logger
    private let limit: LineLimit
    private let clock: any HostClock

    /// - Parameter most: lines a second.
    init(log: Logger, most: Int = 20, clock: any HostClock = SystemClock()) {
        self.log = log
        limit = LineLimit(most: most, clock: clock)
        self.clock = clock
    }

    /// - Parameters:
    ///   - subject: looked at only where it is needed.
    ///   - began: when the request was whole.
    func observe(_ outcome: Outcome, of subject: @autoclosure () -> Subject, since began: MonotonicTime) -> Outcome {
        switch outcome {
        case .now(let response):
            if Self.isWorthALine(response) { write(response, subject(), since: began) }
            return outcome
        case .pending: return outcome
        case .parked(let parkedRequest):
            // The request's parameters are gone when the answer comes.
            let subject = subject()
            return .parked(
                parkedRequest.observed { [self] response in
                    if let response, Self.isWorthALine(response) { write(response, subject, since: began) }
                })
        }
    }

    private static func isWorthALine(_ response: Response) -> Bool { response.status >= 500 || response.status == 429 }

    private func write(_ response: Response, _ subject: Subject, since began: MonotonicTime) {
        guard log.logLevel <= .info, let omitted = limit.admit() else { return }
        var metadata: Logger.Metadata = [
            "method": "\(subject.method)", "path": "\(subject.path)", "address": "\(subject.address)", "request": "\(subject.request)",
            "status": .stringConvertible(response.status), "reason": "\(response.unserved?.words ?? "-")",
            "milliseconds": .stringConvertible((clock.monotonic - began).wholeMilliseconds),
        ]
        if let user = subject.user { metadata["user"] = .stringConvertible(user) }
        if omitted > 0 { metadata["omitted"] = .stringConvertible(omitted) }
        log.info("answered \(response.status)", metadata: metadata)
    }

    /// What is said of a request. No query and no header: they hold codes and tokens. Kept as bytes, since few requests come to a line.
    struct Subject: Sendable {
        private let bytes: [UInt8]
        private let methodEnd, pathEnd, addressEnd: Int
        /// swingmusic's number of the user, where it is known.
        let user: Int?

        init(_ request: Request, user: Int?) {
            self.user = user
            var bytes: [UInt8] = []
            bytes.reserveCapacity(160)
            func add(_ text: UnsafeBufferPointer<UInt8>, atMost most: Int) { bytes.append(contentsOf: text.prefix(most)) }
            request.withParameter("REQUEST_METHOD") { add($0, atMost: 32) }
            methodEnd = bytes.count
            _ = request.withPath { add($0, atMost: 200) }
            pathEnd = bytes.count
            request.withParameter("REMOTE_ADDR") { add($0, atMost: 64) }
            addressEnd = bytes.count
            request.withParameter("REQUEST_ID") { add($0, atMost: 64) }
            self.bytes = bytes
        }

        var method: String { text(0, methodEnd) ?? "-" }
        var path: String { text(methodEnd, pathEnd) ?? "/" }
        var address: String { text(pathEnd, addressEnd) ?? "-" }
        /// nginx's `$request_id`.
        var request: String { text(addressEnd, bytes.count) ?? "-" }

        private func text(_ start: Int, _ end: Int) -> String? { start < end ? String(decoding: bytes[start..<end], as: UTF8.self) : nil }
    }
}

/// Dresses every answer, counts it, and names in the log those that were not served, when they are known.
final class ResponseObserver: Sendable {
    private let scoreboard: Scoreboard?
    private let log: AccessLog?

    init(scoreboard: Scoreboard?, log: AccessLog?) {
        self.scoreboard = scoreboard
        self.log = log
    }

    /// - Parameters:
    ///   - began: when the request was whole.
    ///   - user: whose it is, where that is known.
    ///   - grant: what the answer is dressed with.
    func observe(
        _ outcome: Outcome, of family: Counter.Family, _ request: Request, since began: MonotonicTime, user: Int? = nil,
        _ grant: CrossOrigin.Grant = .init()
    ) -> Outcome {
        guard case .pending(let soon) = outcome else {
            return note(outcome, family, began, grant, AccessLog.Subject(request, user: user))
        }
        // The request's parameters are gone when the answer comes.
        let kept = request.kept
        return .pending(
            soon.observed { [self] in note($0, family, began, grant, kept.read { AccessLog.Subject($0, user: user) }) })
    }

    private func note(
        _ outcome: Outcome, _ family: Counter.Family, _ began: MonotonicTime, _ grant: CrossOrigin.Grant,
        _ subject: @autoclosure () -> AccessLog.Subject
    ) -> Outcome {
        // An answer that is there and no error has no line, and mostly nothing to be dressed with: every hit is one.
        if case .now(let response) = outcome, response.status < 400, grant.isSilent {
            return scoreboard?.count(outcome, of: family, since: began) ?? outcome
        }
        let dressed = outcome.dressed(grant)
        let logged = log?.observe(dressed, of: subject(), since: began) ?? dressed
        return scoreboard?.count(logged, of: family, since: began) ?? logged
    }
}
