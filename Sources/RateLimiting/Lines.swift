/// One client's lookups that wait for a turn.
struct Line: Equatable {
    /// When the client was served last, as a place in the file's sequence; 0 for never.
    var served: Int64
    /// When the client came, likewise.
    var joined: Int64
    /// How many somebody waits for, and how many nobody waits for any more.
    var attended: Int
    var unattended: Int

    /// Clients are served in turn: the one whose last turn is longest ago, then the one that came first.
    func precedes(_ other: Line) -> Bool {
        (served, joined) < (other.served, other.joined)
    }
}

/// The whole queue, as far as places in it go.
struct Lines: Equatable {
    var clients: [String: Line] = [:]
    var renewals = 0
    var warming = 0

    /// How many lookups will be granted before the one that has `place` others of its own client and rank (or of
    /// its priority, in the background) before it.
    func ahead(of client: String, rank: Priority, place: Int) -> Int {
        switch rank {
        case .caller: place + before(client, place) { $0.attended }
        case .unattended: clients.values.reduce(0) { $0 + $1.attended } + place + before(client, place) { $0.unattended }
        case .renewal: callers + place
        case .warming: callers + renewals + place
        }
    }

    /// The other clients' lookups that have their turn first when every line moves one place a round.
    private func before(_ client: String, _ place: Int, _ length: (Line) -> Int) -> Int {
        guard let own = clients[client] else { return 0 }
        return clients.reduce(0) { sum, other in
            guard other.key != client else { return sum }
            return sum + min(length(other.value), place + (other.value.precedes(own) ? 1 : 0))
        }
    }

    private var callers: Int {
        clients.values.reduce(0) { $0 + $1.attended + $1.unattended }
    }
}
