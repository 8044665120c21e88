/// How much of the queue is taken, and what may still come in.
struct Occupancy: Equatable {
    let limit: Int
    /// Callers' lookups of the clients that asked, attended or not.
    var clients: [String: Int] = [:]
    var callers = 0
    var renewals = 0
    var warming = 0

    init(limit: Int) {
        self.limit = limit
    }

    /// One client may hold a quarter of the queue.
    var share: Int { max(1, limit / 4) }
    /// Renewals may hold half as many lookups as callers, beside theirs, and so may warming: neither can fill
    /// the queue against a caller, nor warming against renewals.
    var backgroundLimit: Int { max(1, limit / 2) }

    func refusal(of priority: Priority, client: String) -> Refusal? {
        switch priority {
        case .caller, .unattended:
            if held(by: client) >= share { return .clientShare }
            return callers >= limit ? .queueFull : nil
        case .renewal: return renewals >= backgroundLimit ? .queueFull : nil
        case .warming: return warming >= backgroundLimit ? .queueFull : nil
        }
    }

    func held(by client: String) -> Int { clients[client, default: 0] }

    mutating func count(_ priority: Priority, client: String? = nil, by amount: Int = 1) {
        switch priority {
        case .caller, .unattended:
            callers += amount
            if let client { clients[client, default: 0] += amount }
        case .renewal: renewals += amount
        case .warming: warming += amount
        }
    }
}
