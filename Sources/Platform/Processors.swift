import CSystem

/// How many processors this process may use.
public enum Processors {
    /// By the affinity it was given (sched_getaffinity(2); `docker --cpuset-cpus`, `taskset`) and the quota of its control groups, rounded up
    /// (`docker --cpus`, `CPUQuota=`). At least one.
    public static var available: Int {
        let allowed = max(1, Int(csys_processors_allowed()))
        let membership = Files.read("/proc/self/cgroup", atMost: 65_536).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let quotas = paths(membership).compactMap { path in
            quota(Files.read(path, atMost: 256).map { String(decoding: $0, as: UTF8.self) } ?? "")
        }
        return max(1, min(allowed, quotas.min() ?? allowed))
    }

    /// The files with the quotas of a process's own group and of those above it (cgroups(7), version 2).
    static func paths(_ membership: String) -> [String] {
        guard let line = membership.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else { return [] }
        var parts = line.dropFirst(4).split(separator: "/").map(String.init)
        guard !parts.contains("..") else { return ["/sys/fs/cgroup/cpu.max"] }
        var paths: [String] = []
        while true {
            paths.append((["/sys/fs/cgroup"] + parts + ["cpu.max"]).joined(separator: "/"))
            if parts.popLast() == nil { return paths }
        }
    }

    /// `cpu.max`: microseconds of processor time in a period, and the period, or `max`. nil: no limit.
    static func quota(_ text: String) -> Int? {
        let parts = text.split(whereSeparator: \.isWhitespace)
        guard parts.count == 2, let time = Int(parts[0]), let period = Int(parts[1]), time > 0, period > 0 else { return nil }
        return max(1, (time - 1) / period + 1)
    }
}
