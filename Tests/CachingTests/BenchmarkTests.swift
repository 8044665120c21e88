import Foundation
import Logging
import Platform
import Testing

@testable import Caching

/// Microseconds per hit, tier by tier: 3 KB values, 1000 keys, one thread.
///
///     CACHING_BENCHMARK=1 swift test -c release -Xswiftc -enable-testing --filter BenchmarkTests
@Suite("Microbenchmark", .enabled(if: ProcessInfo.processInfo.environment["CACHING_BENCHMARK"] != nil && RedisServer.isInstalled))
struct BenchmarkTests {
    private static let keys = (0..<1000).map { bytes("record/track/4uLU6hMCjMI75M1A2t\($0)") }

    @Test("hits")
    func hits() throws {
        let server = try RedisServer()
        let dragonfly = DragonflyConfiguration(host: "unix:" + server.socket)
        try measure("memory", folder: server.folder, nil, memory: .seconds(60), cache: .spotify, expect: .memory)
        try measure("dragonfly, spotify", folder: server.folder, dragonfly, memory: .zero, cache: .spotify, expect: .dragonfly)
        try measure("dragonfly, session", folder: server.folder, dragonfly, memory: .zero, cache: .session, expect: .dragonfly)
        try measure("sqlite", folder: server.folder, nil, memory: .zero, cache: .spotify, expect: .sqlite)
    }

    private func measure(
        _ name: String, folder: TemporaryFolder, _ dragonfly: DragonflyConfiguration?, memory: Duration, cache: CacheName,
        expect tier: Tier
    ) throws {
        let caches = try Caches(
            CachesConfiguration(path: folder.file("cache.db"), dragonfly: dragonfly, memoryLifetime: memory),
            log: Logger(label: "benchmark"))
        if dragonfly != nil { try wait(for: "the store") { caches.store?.isAnswering ?? false } }
        let value = [UInt8](repeating: 120, count: 3000)
        try caches.put(cache, Self.keys.map { (key: $0, value: value, ttl: nil) })
        for key in Self.keys { for _ in 0..<2 { _ = try caches.get(cache, key) } }
        var rounds: [Double] = []
        for _ in 0..<5 {
            let begin = SystemClock().monotonic
            for _ in 0..<10 {
                for key in Self.keys { #expect(try caches.get(cache, key)?.tier == tier) }
            }
            rounds.append((SystemClock().monotonic - begin).fractionalSeconds * 100)
        }
        print("\(name): \(String(format: "%.2f", rounds.sorted()[2])) µs per hit")
        caches.close()
    }
}
