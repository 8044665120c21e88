import FastCGI
import Platform
import Sessions

/// `/auth/devices`: one's own sessions, for people. It loads nothing, and its forms work without a script.
enum DevicesPage {
    private static let path = "/auth/devices"

    /// The one style is named by its hash; there is no script.
    private static let policy =
        "default-src 'none'; img-src data:; style-src '\(style.hash)'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

    static func response(_ outcome: DeviceOutcome) -> Response {
        switch outcome {
        case .list(let list): return page(200, "Your devices", content(of: list))
        case .done:
            var response = Response(status: 303)
            response.add("Location", path)
            response.add("Cache-Control", "no-store")
            return response
        case .refused(let refused): return page(refused)
        }
    }

    /// A bad token is no session, whatever swingmusic makes of it.
    private static func page(_ refused: Refused) -> Response {
        switch refused.status {
        case 400: return page(400, "Not done", notice(refused.message, link: path, "Back to your devices"))
        case 403:
            let remedy = """
                Nothing was changed. If you did come from the page of your devices, open it again. If that does not help, whoever runs this \
                server has to set SWINGMUSIC_FCGI_PUBLIC_URL to the address that your browser shows.
                """
            return page(403, "Not done", notice("\(refused.message). \(remedy)", link: path, "Back to your devices"))
        case 503:
            var response = page(503, "Not now", notice(refused.message + ".", link: path, "Try again"))
            response.add(retryAfter: .seconds(5))
            return response.because(.sessions)
        default: return page(401, "Not signed in", notice("On this device nobody is signed in.", link: "/", "Sign in"))
        }
    }

    /// No referrer at all would make browsers hide the origin of a form as well (fetch.spec.whatwg.org, "append a request `Origin` header").
    private static func page(_ status: Int, _ title: String, _ content: Markup) -> Response {
        var response = Response(status: status, contentType: "text/html; charset=utf-8", body: Array(html(title, content).source.utf8))
        response.add(
            lines: """
                Cache-Control: no-store\r
                X-Content-Type-Options: nosniff\r
                Referrer-Policy: same-origin\r

                """)
        response.add("Content-Security-Policy", policy)
        return response
    }

    private static func html(_ title: String, _ content: Markup) -> Markup {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(title) · swingmusic</title>
        <link rel="icon" href="data:,">
        <style>\(style)</style>
        </head>
        <body>
        <main>
        <h1>\(title)</h1>
        \(content)
        </main>
        </body>
        </html>

        """
    }

    private static func notice(_ text: String, link: String, _ words: String) -> Markup {
        "<p>\(text)</p>\n<p><a class=\"action\" href=\"\(link)\">\(words)</a></p>"
    }

    // MARK: The list

    private static func content(of list: DeviceList) -> Markup {
        let others = list.sessions.filter { !$0.isCurrent }
        let own = list.sessions.filter(\.isCurrent).map { session in
            card(session, list, badge: "<span class=\"badge\">this device</span>", form(list, "sign-out", "Sign out here"))
        }
        let rest = others.map { session in
            card(session, list, form(list, "end", "Sign out", of: session))
        }
        return """
            <p class="quiet">Where <b><bdi>\(list.userName)</bdi></b> is signed in. A device that is signed out here is out at once.</p>
            <ul>\(Markup(own + rest))</ul>
            \(others.isEmpty ? "<p class=\"quiet\">No other device is signed in.</p>" : form(list, "end-others", "Sign out all other devices"))
            <p><a href="/">Back to the music</a></p>
            """
    }

    private static func card(_ session: ShownSession, _ list: DeviceList, badge: Markup = "", _ form: Markup) -> Markup {
        """
        <li>
        <h2><bdi>\(session.device)</bdi> \(badge)</h2>
        <dl>
        <div><dt>Place</dt><dd>\(place(session))</dd></div>
        <div><dt>Last used</dt><dd>\(time(session.seenAt, now: list.now))</dd></div>
        <div><dt>Signed in</dt><dd>\(time(session.createdAt, now: list.now))</dd></div>
        </dl>
        \(form)
        </li>

        """
    }

    private static func place(_ session: ShownSession) -> String { session.address.isEmpty ? "unknown" : session.address }

    /// - Parameter session: the one that the button is about, where there are several such buttons.
    private static func form(_ list: DeviceList, _ action: String, _ words: String, of session: ShownSession? = nil) -> Markup {
        let name = session.map { " aria-label=\"\(words): \($0.device), \(place($0))\"" as Markup } ?? ""
        let id = session.map { "<input type=\"hidden\" name=\"session\" value=\"\($0.id)\">" as Markup } ?? ""
        return """
            <form method="post" action="\(path)"><input type="hidden" name="proof" value="\(list.proof)">\(id)\
            <button name="action" value="\(action)"\(name)>\(words)</button></form>
            """
    }

    private static func time(_ instant: Int64, now: Int64) -> Markup {
        "<time datetime=\"\(WallTime(milliseconds: instant).text)\">\(ago((now - instant) / 1000))</time>"
    }

    /// In the largest unit alone.
    private static func ago(_ seconds: Int64) -> String {
        guard
            let (count, unit) = [(seconds / 86_400, "day"), (seconds / 3600, "hour"), (seconds / 60, "minute")].first(where: { $0.0 > 0 })
        else { return "just now" }
        return "\(count) \(unit)\(count == 1 ? "" : "s") ago"
    }

    private static let style: Markup = """
        :root{--ground:#f5f5f7;--card:#fff;--ink:#1c1c1e;--quiet:#5f6066;--line:#c9c9cf;--accent:#2353c4;--out:#b3201f}
        @media(prefers-color-scheme:dark){:root{--ground:#131316;--card:#1e1e22;--ink:#ececf0;--quiet:#a2a3ab;--line:#4a4a52;--accent:#84a9ff;--out:#ff8f87}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
        main{max-width:640px;margin:0 auto;padding:20px 14px 40px}
        h1{font-size:23px;margin:0 0 8px}h2{font-size:17px;margin:0 0 6px}p{margin:0 0 14px}
        .quiet{color:var(--quiet)}b{color:var(--ink)}
        ul{list-style:none;margin:0 0 14px;padding:0}
        li{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;margin-bottom:12px}
        dl{margin:0 0 12px}dl div{display:flex;gap:10px}dt{flex:0 0 84px;color:var(--quiet)}dd{margin:0;min-width:0}
        .badge{display:inline-block;font-size:13px;font-weight:600;color:var(--accent);border:1px solid currentColor;border-radius:99px;padding:0 9px;margin-left:4px}
        form{margin:0 0 14px}li form{margin:0}
        button,.action{display:inline-block;min-height:44px;padding:9px 18px;font:inherit;font-weight:600;color:var(--out);background:var(--card);border:1px solid currentColor;border-radius:10px;cursor:pointer;text-decoration:none}
        .action,a{color:var(--accent)}
        button:hover,.action:hover{text-decoration:underline}
        :focus-visible{outline:3px solid var(--accent);outline-offset:2px}
        """
}

/// A form of that page, as browsers send it (`application/x-www-form-urlencoded`).
struct DeviceForm {
    /// nil where it asks for nothing that there is.
    let change: DeviceChange?
    let proof: String

    private enum Action: String, CaseIterable {
        case end, signOut = "sign-out"
        case endOthers = "end-others"
    }

    private static let action = BodyMember("action", .oneOf(Action.allCases.map(\.rawValue)))
    private static let (shown, session) = (BodyMember("proof", .text), BodyMember("session", .text))
    static let body = DescribedBody.form([action, shown], optional: [session])

    init(_ body: FormBody) {
        let type = (body.contentType ?? "").prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        let query = Query(type == DescribedBody.formType ? String(decoding: body.bytes, as: UTF8.self) : "")
        proof = query[Self.shown.name] ?? ""
        switch query[Self.action.name].flatMap(Action.init) {
        case .end: change = query[Self.session.name].map(DeviceChange.end)
        case .endOthers: change = .endOthers
        case .signOut: change = .signOut
        case nil: change = nil
        }
    }
}
