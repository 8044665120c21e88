import Platform

/// Ten wrong guesses of the admin token in a minute from one address, over all workers: as with passwords.
///
/// Counted in memory that all workers map (`guesses.shared`), since it is asked on event threads: nothing is waited for. An address has a place
/// by its hash, under a seed that nobody knows, so two may share one; both then wait. A page that is lost begins anew.
final class GuessLimit: Sendable {
    private let memory: SharedMemory
    private let clock: any HostClock

    static let most: UInt64 = 10
    static let window = Duration.seconds(60)

    private static let layout: UInt64 = 0x5347_4755_4553_0001
    private static let places = 8192
    private static let first = 64
    private static let seed = 8
    /// The lower part of a word counts, the upper part is the number of the minute since the host's start.
    private static let countBits: UInt64 = 24

    init(path: String, clock: any HostClock = SystemClock()) {
        self.clock = clock
        memory = SharedMemory(
            path: path, length: Self.first + Self.places * 8, layout: Self.layout, permissions: 0o640, lockByte: 0
        ) { $0.store64(.random(in: .min ... .max), at: Self.seed) }
    }

    /// Makes the page anew where it was cut or removed. About once a second. Whether it did.
    func mend() -> Bool { memory.mend() }

    /// Whole seconds until a guess from there is heard again; nil: it is heard now.
    func wait(address: String) -> Int? {
        let word = memory.load64(at: place(address))
        guard word >> Self.countBits == minute, word & (1 << Self.countBits - 1) >= Self.most else { return nil }
        return Int(60 - clock.boot.nanoseconds / 1_000_000_000 % 60)
    }

    /// Notes that one was wrong.
    func noteWrong(address: String) {
        let place = place(address)
        // Two who begin a minute at once may lose one of their counts.
        if memory.load64(at: place) >> Self.countBits != minute { memory.store64(minute << Self.countBits, at: place) }
        memory.add64(1, at: place)
    }

    private var minute: UInt64 { UInt64(max(0, clock.boot.nanoseconds / 60_000_000_000)) & (1 << 40 - 1) }

    private func place(_ address: String) -> Int {
        var hash = memory.load64(at: Self.seed)
        for byte in AddressBlock.name(of: address).utf8 { hash = (hash ^ UInt64(byte)) &* 0x9FB2_1C65_1E98_DF25 ^ hash >> 29 }
        return Self.first + Int((hash ^ hash >> 32) % UInt64(Self.places)) * 8
    }
}
