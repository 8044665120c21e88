import CSystem

/// How many processors this process may use.
public enum Processors {
    /// By the affinity it was given (sched_getaffinity(2); `docker --cpuset-cpus`, `taskset`) and the quota of its control groups, rounded up
    /// (`docker --cpus`, `CPUQuota=`). At least one.
    public static var available: Int {
        let allowed = max(1, Int(csys_processors_allowed()))
        let membership = Files.read("/proc/self/cgroup", atMost: 65_536).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let quotas = paths(membership).compactMap { quota(text($0)) } + legacyFolders(membership).compactMap(legacyQuota)
        return max(1, min(allowed, quotas.min() ?? allowed))
    }

    private static func text(_ path: String) -> String { Files.read(path, atMost: 256).map { String(decoding: $0, as: UTF8.self) } ?? "" }

    /// The files with the quotas of a process's own group and of those above it (cgroups(7), version 2).
    static func paths(_ membership: String) -> [String] {
        guard let line = membership.split(separator: "\n").first(where: { $0.hasPrefix("0::/") }) else { return [] }
        let path = line.dropFirst(4)
        // A group outside of what a container sees.
        guard !path.split(separator: "/").contains("..") else { return ["/sys/fs/cgroup/cpu.max"] }
        return upwards("/sys/fs/cgroup", path).map { $0 + "/cpu.max" }
    }

    /// The folders of a process's own group of the controller `cpu` and of those above it (cgroups(7), version 1). Where a container sees its own
    /// group as the uppermost, only that one is there.
    static func legacyFolders(_ membership: String) -> [String] {
        membership.split(separator: "\n").flatMap { line -> [String] in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[1].split(separator: ",").contains("cpu") else { return [] }
            return upwards("/sys/fs/cgroup/\(parts[1])", parts[2])
        }
    }

    /// A group's folder and those above it.
    private static func upwards(_ root: String, _ path: Substring) -> [String] {
        let parts = path.split(separator: "/")
        return (0...parts.count).reversed().map { ([root[...]] + parts.prefix($0)).joined(separator: "/") }
    }

    private static func legacyQuota(_ folder: String) -> Int? {
        quota("\(text(folder + "/cpu.cfs_quota_us")) \(text(folder + "/cpu.cfs_period_us"))")
    }

    /// Microseconds of processor time in a period, or `max`, or -1 in version 1; and the period. nil: no limit.
    static func quota(_ text: String) -> Int? {
        let parts = text.split(whereSeparator: \.isWhitespace)
        guard parts.count == 2, let time = Int(parts[0]), let period = Int(parts[1]), time > 0, period > 0 else { return nil }
        return max(1, (time - 1) / period + 1)
    }
}
