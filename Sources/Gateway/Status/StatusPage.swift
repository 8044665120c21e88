import Crypto
import FastCGI
import Foundation
import RateLimiting

/// `/swingmusic-fcgi/status`: the report as one page that loads nothing from elsewhere.
struct StatusPage {
    let report: StatusReport

    static let contentType = "text/html; charset=utf-8"

    /// The page's one style and one script are named by their hashes (CSP Level 3, 2.3.1); the script may only ask for the page anew.
    static let policy =
        "default-src 'none'; img-src data:; style-src '\(hash(style))'; script-src '\(hash(script))'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    private static func hash(_ text: Markup) -> String {
        "sha256-" + Data(SHA256.hash(data: Data(text.source.utf8))).base64EncodedString()
    }

    var html: Markup {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>swingmusic-fcgi</title>
        <link rel="icon" href="data:,">
        <style>\(Self.style)</style>
        </head>
        <body>
        <main>
        <header><h1>swingmusic-fcgi</h1>\(badge)<p class="quiet">version \(report.version), \(Readable.instant(report.now))</p></header>
        \(complaints)
        <div class="grid">
        \(Markup([requests, hits, spotify, queue, workers, files, records, lines]))
        </div>
        </main>
        <script>\(Self.script)</script>
        </body>
        </html>

        """
    }

    private var badge: Markup {
        let name = !report.readiness.isReady ? "bad" : report.readiness.warnings.isEmpty ? "good" : "fair"
        return "<p class=\"badge \(name)\">\(report.readiness.words)</p>"
    }

    private var complaints: Markup {
        let bad = report.readiness.reasons.map { "<li class=\"bad\">\($0)</li>" as Markup }
        let fair = report.readiness.warnings.map { "<li class=\"fair\">\($0)</li>" as Markup }
        return bad.isEmpty && fair.isEmpty ? "" : "<ul class=\"complaints\">\(Markup(bad + fair))</ul>"
    }
}

extension StatusPage {
    private func card(_ title: String, _ content: Markup, isWide: Bool = false) -> Markup {
        "<section class=\"card\(isWide ? " wide" : "")\"><h2>\(title)</h2>\(content)</section>\n"
    }

    /// - Parameter rows: cells; the first names the row.
    private func table(_ heads: [String], _ rows: [[String]]) -> Markup {
        let head = Markup(heads.map { "<th scope=\"col\">\($0)</th>" })
        let body = Markup(
            rows.map { row in
                "<tr><th scope=\"row\">\(row.first ?? "")</th>\(Markup(row.dropFirst().map { "<td>\($0)</td>" }))</tr>"
            })
        return "<table>\(heads.isEmpty ? "" : "<thead><tr>\(head)</tr></thead>" as Markup)<tbody>\(body)</tbody></table>"
    }

    private var requests: Markup {
        let last = report.answersByMinute.dropLast().last ?? 0
        return card(
            "Requests, the last hour",
            """
            <p class="big">\(Readable.rate(Double(last) / 60))<small> a second, the last whole minute</small></p>
            \(HourPicture(answersByMinute: report.answersByMinute).svg)
            <p class="quiet">\(Readable.count(report.counts.answered)) answered in all, \(Readable.count(report.counts.failed)) with 5xx; \
            \(Readable.count(UInt64(report.parked))) parked now</p>
            """, isWide: true)
    }

    private var hits: Markup {
        let rows = Counter.Source.allCases.map { source in
            """
            <tr><th scope="row">\(source.words)</th>\
            <td class="meter">\(Self.meter(report.share(source) ?? 0, source.isHit ? "good" : "fair"))</td>\
            <td>\(Readable.percent(report.share(source)))</td><td>\(Readable.count(report.counts[source]))</td></tr>
            """ as Markup
        }
        return card(
            "Hits by tier",
            """
            <p class="big">\(Readable.percent(report.hitRatio))<small> hits</small></p>
            <table><tbody>\(Markup(rows))</tbody></table>
            <p class="quiet">\(Readable.count(report.counts.stale)) hits were stale</p>
            """)
    }

    /// A bar from 0 to 1.
    private static func meter(_ share: Double, _ name: String) -> Markup {
        let width = Int((min(max(share, 0), 1) * 100).rounded())
        return """
            <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">\
            <rect class="track" width="100" height="8"/><rect class="\(name)" width="\(width)" height="8"/></svg>
            """
    }

    private var spotify: Markup {
        guard let limiter = report.limiter else {
            return card(
                "Calls to Spotify", "<p class=\"bad\">The limiter cannot be used; nothing is looked up. \(report.limiterFault ?? "")</p>")
        }
        let share = Double(limiter.callsInWindow) / Double(max(1, limiter.callsPerWindow))
        let rows =
            [["next free slot", Readable.wait(report.seconds(until: limiter.nextSlotAt))]]
            + (limiter.cooldown == nil ? [["cooldown", "none"]] : [])
        return card(
            "Calls to Spotify",
            """
            <p class="big">\(Readable.count(UInt64(max(0, limiter.callsInWindow))))<small> of \(Readable.count(UInt64(max(0, limiter.callsPerWindow)))) in the last hour</small></p>
            \(Self.meter(share, share < 0.8 ? "good" : share < 1 ? "fair" : "bad"))
            \(troubles(of: limiter))
            \(table([], rows))
            """)
    }

    /// Why no call is made just now.
    private func troubles(of limiter: TurnstileStatus) -> Markup {
        func line(_ title: String, _ reason: String, _ end: Int64) -> Markup {
            "<p class=\"bad\"><b>\(title)</b>, ends \(Readable.wait(report.seconds(until: end))): \(reason)</p>"
        }
        let lines = [
            limiter.cooldown.map { line("Cooldown", $0.reason, $0.endsAt) },
            limiter.upstream.map { line("No calls", $0.reason, $0.endsAt) },
            limiter.tokenOutage.map { line("No token", $0.reason, $0.endsAt) },
        ]
        return Markup(lines.compactMap { $0 })
    }

    private var queue: Markup {
        let waiting = report.limiter?.waiting ?? [:]
        let rows = Priority.allCases.map { [$0.words, "\(waiting[$0] ?? 0)"] }
        return card(
            "Queue",
            """
            <p class="big">\(waiting.values.reduce(0, +))<small> lookups wait, \(report.limiter?.leased ?? 0) under way</small></p>
            \(table([], rows))
            """)
    }

    private var workers: Markup {
        card(
            "Workers",
            table(
                ["process", "up", "memory", "parked"],
                report.workers.map {
                    ["\($0.process)", Readable.length($0.uptimeSeconds), Readable.bytes($0.residentBytes), "\($0.parked)"]
                }))
    }

    private var files: Markup {
        let store = report.caches.store
        // Why not stands at the top of the page.
        let word = store == nil ? "none" : store?.isUsed == true ? "used" : "not used"
        return card("Store and journals", table([], [["DragonflyDB", word]] + report.files.map { [$0.name, Readable.bytes($0.bytes)] }))
    }

    private var records: Markup {
        let kinds = report.kinds.map { [$0.kind, Readable.count(UInt64(max(0, $0.entries))), Readable.bytes($0.bytes)] }
        let ages = report.ages.map { [$0.label, Readable.count(UInt64(max(0, $0.records)))] }
        return card(
            "Records",
            """
            \(kinds.isEmpty ? "<p class=\"quiet\">None yet.</p>" : table(["kind", "records", "size"], kinds))
            \(table(["age", "records"], ages))
            """)
    }

    private var lines: Markup {
        guard !report.lines.isEmpty else { return card("Latest warnings and errors", "<p class=\"quiet\">None.</p>", isWide: true) }
        let items = report.lines.map { line in
            "<li><span class=\"\(line.level == "error" ? "bad" : "fair")\">\(line.level)</span> <time>\(Readable.instant(line.time))</time> <span class=\"quiet\">[\(line.process)]</span> \(line.text)</li>"
                as Markup
        }
        return card("Latest warnings and errors", "<ol class=\"lines\">\(Markup(items))</ol>", isWide: true)
    }
}
