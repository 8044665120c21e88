import Foundation

/// What `serve` gives its workers as environment: its own, and a word to the C library's allocator.
enum WorkerEnvironment {
    private static let name = "GLIBC_TUNABLES"

    /// A request that waits for DragonflyDB is begun on one thread and ended on another. What libfcgi and we allocate for it then wanders,
    /// and glibc's caches of seven blocks a size and thread run dry on one side and over on the other. With 64 they do not: by perf,
    /// 4.5 instead of 8.4 µs of such a hit go to the allocator, and a thread keeps 2 MB at the very most
    /// (sourceware.org/glibc/manual, Memory Allocation Tunables).
    private static let cacheCount = "glibc.malloc.tcache_count=64"

    /// - Parameter own: the environment of `serve`. An administrator's own choice of that tunable stays.
    static func make(from own: [String: String] = ProcessInfo.processInfo.environment) -> [String: String] {
        var environment = own
        let tunables = own[name] ?? ""
        if !tunables.contains("tcache_count") { environment[name] = tunables.isEmpty ? cacheCount : "\(tunables):\(cacheCount)" }
        return environment
    }
}
