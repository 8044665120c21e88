import Logging

/// Ten wrong guesses a minute from one address, over all workers.
///
/// The count of an address takes in those of each name tried from it, so that one list serves both; nobody can lock another out by
/// name alone.
final class GuessLimit: Sendable {
    /// What is guessed. Each is counted for itself.
    enum Secret: String { case login, pair }

    enum Admission: Equatable {
        case admitted(Attempt)
        case refused(retryAfter: Int)
    }

    struct Attempt: Equatable, Sendable {
        fileprivate var key: String
        fileprivate var instant: Int64
    }

    private let shared: any CountStore
    private let own = MemoryCountStore()
    private let clock: SessionClock
    private let complaint: Complaint

    init(store: any CountStore, clock: SessionClock, log: Logger) {
        shared = store
        self.clock = clock
        complaint = Complaint(about: "counting of failed logins", log: log)
    }

    /// Whether another try is refused at this moment, without counting one.
    func wait(_ secret: Secret, address: String) -> Int? {
        let stored = (try? shared.read(key(secret, address))) ?? own.read(key(secret, address))
        return FailureTally(stored: stored).wait(now: clock.now())
    }

    func begin(_ secret: Secret, address: String) -> Admission {
        let key = key(secret, address)
        let now = clock.now()
        var wait: Int?
        change(key) { stored in
            let tally = FailureTally(stored: stored)
            wait = tally.wait(now: now)
            return wait == nil ? tally.adding(now).stored : nil
        }
        return wait.map { .refused(retryAfter: $0) } ?? .admitted(Attempt(key: key, instant: now))
    }

    /// The try was right, or was not answered: it does not count.
    func forgive(_ attempt: Attempt) {
        change(attempt.key) { stored in stored.map { FailureTally(stored: $0).removing(attempt.instant).stored } }
    }

    private func key(_ secret: Secret, _ address: String) -> String { "guess/\(secret.rawValue)/\(AddressBlock.name(of: address))" }

    private func change(_ key: String, _ change: ([UInt8]?) -> [UInt8]?) {
        do {
            try shared.change(key, lastingSeconds: FailureTally.window / 1000, change)
            complaint.settle()
        } catch {
            complaint.raise("the shared count cannot be written (\(error)); each worker counts for itself", now: clock.now())
            own.change(key, lastingSeconds: FailureTally.window / 1000, change)
        }
    }
}
