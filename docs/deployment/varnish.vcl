# /etc/varnish/default.vcl
vcl 4.1;

backend bayeux {
    .host = "127.0.0.1";
    .port = "8000";
    # Above --timeout (45) and --ping (20).
    .first_byte_timeout = 75s;
    .between_bytes_timeout = 75s;
}

sub vcl_recv {
    if (req.url ~ "^/bayeux") {
        # WebSockets are carried as they are, the rest is never kept.
        if (req.http.Upgrade ~ "(?i)websocket") {
            return (pipe);
        }
        return (pass);
    }
    return (synth(404));
}

sub vcl_pipe {
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
}
