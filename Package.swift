// swift-tools-version: 6.0
import PackageDescription

// The rooms of the house, ground floor first. Imports run down only: a room may name the rooms in its
// `dependencies` and no others, so the compiler keeps the architecture (docs/architecture.md).

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")

/// What a release says of itself (`--version`): the commit that it was built from. scripts/release and the Dockerfile give it.
let commit: [CSetting] = Context.environment["SWINGMUSIC_FCGI_COMMIT"].map { [.define("CSYS_COMMIT", to: "\"\($0)\"")] } ?? []

/// One test target beside each room, under the room's name.
func tests(of room: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: "\(room)Tests", dependencies: [.target(name: room)] + dependencies)
}

let package = Package(
    name: "swingmusic-fcgi",
    products: [.executable(name: "swingmusic-fcgi", targets: ["swingmusic-fcgi"])],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    ],
    targets: [
        // System libraries and one small C shim. Of libfcgi the program has the header alone, fastcgi.h; the library itself is the referee
        // in tests of FastCGI.
        .systemLibrary(name: "CLibFCGI", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(
            name: "CLibFCGIApplication", path: "Tests/CLibFCGIApplication", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(name: "CLibHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CSystem", cSettings: commit),

        // Below the ground floor: what every room may use.
        .target(name: "Platform", dependencies: ["CSystem", grdb, logging], exclude: ["README.md"]),
        .target(name: "JSON", exclude: ["README.md"]),

        // Between: the protocol of DragonflyDB.
        .target(name: "RESP", dependencies: ["Platform", "CLibHiredis"], exclude: ["README.md"]),

        // Ground floor: five rooms that know nothing of each other.
        .target(name: "FastCGI", dependencies: ["Platform", "CLibFCGI", "CSystem", logging], exclude: ["README.md"]),
        .target(name: "Supervision", dependencies: ["Platform", "CSystem", logging], exclude: ["README.md"]),
        .target(name: "Caching", dependencies: ["RESP", "Platform", "CLibHiredis", "CSystem", grdb, logging], exclude: ["README.md"]),
        .target(name: "RateLimiting", dependencies: ["RESP", "Platform", grdb, crypto, logging], exclude: ["README.md"]),
        .target(name: "Spotify", dependencies: ["Platform", "JSON", "CLibCurl", "CSystem", crypto, logging], exclude: ["README.md"]),

        // What a route means.
        .target(
            name: "Catalog", dependencies: ["Caching", "RateLimiting", "Spotify", "Platform", "JSON", "CSystem", crypto, logging],
            exclude: ["README.md"]),
        .target(
            name: "Sessions", dependencies: ["Caching", "Platform", "JSON", grdb, crypto, cryptoExtras, logging], exclude: ["README.md"]),

        // Router and routes, then the command line.
        .target(
            name: "Gateway", dependencies: ["FastCGI", "Catalog", "Sessions", "Caching", "Platform", "JSON", crypto, logging],
            exclude: ["README.md"],
            // The status page, as constants in the program: it is one file.
            resources: [
                .embedInCode("Page/status.html"), .embedInCode("Page/status.css"), .embedInCode("Page/status.js"),
                .embedInCode("Page/pictures.js"), .embedInCode("Page/activity.js"),
            ]),
        .executableTarget(
            name: "swingmusic-fcgi",
            dependencies: [
                "Gateway", "Supervision", "FastCGI", "Catalog", "Sessions", "Caching", "RateLimiting", "Spotify", "Platform", "JSON",
                "CLibFCGI", "CLibCurl", "CSystem",
                grdb, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], exclude: ["README.md"]),

        // A household in simulated time, for `scripts/benchmark --household`.
        .executableTarget(
            name: "household", dependencies: ["Catalog", "Caching", "RateLimiting", "Spotify", "Platform", logging],
            path: "Tests/benchmark/household"),

        // Debian's redis-server, for tests of several rooms.
        .target(name: "TestServers", path: "Tests/TestServers"),

        tests(of: "Platform", [grdb, logging]),
        tests(of: "JSON"),
        tests(of: "RESP", ["TestServers", "Platform"]),
        tests(of: "FastCGI", ["Platform", "CLibFCGI", "CLibFCGIApplication", "CSystem"]),
        tests(of: "Supervision", ["Platform", "CSystem"]),
        tests(of: "Caching", ["TestServers", "RESP", "Platform", "CSystem", grdb]),
        tests(of: "RateLimiting", ["TestServers", "RESP", "Platform", "CSystem", grdb]),
        tests(of: "Spotify", ["Platform", "JSON", "CSystem"]),
        tests(of: "Catalog", ["Platform", "JSON", "CSystem"]),
        tests(of: "Sessions", ["Platform", "JSON", "CSystem", grdb, crypto]),
        tests(of: "Gateway", ["Platform", "JSON", "CSystem", grdb]),
    ],
    swiftLanguageModes: [.v6]
)

// SwiftPM compiles a module again when one has changed that it names, and not for what that one names in turn. A release build inlines through
// all of them: a room that was not compiled again made objects as small as they had been (Swift 6.3.1). So each names all that is below it.
func name(of dependency: Target.Dependency) -> String? {
    switch dependency {
    case .targetItem(let name, _), .byNameItem(let name, _): name
    default: nil
    }
}

for target in package.targets {
    var (all, place) = (target.dependencies, 0)
    while place < all.count {
        let below = package.targets.first { $0.name == name(of: all[place]) }?.dependencies ?? []
        all += below.filter { new in !all.contains { "\($0)" == "\(new)" } }
        place += 1
    }
    target.dependencies = all
}
