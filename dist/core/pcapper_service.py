"""PCapper as a service of CORE, the Common Open Research Emulator (version 9).

Each node that has the service reports what its interfaces send, at port 7073 of its addresses, and with
the option "Received traffic" also what they receive, at port 7074. The control network is left out.

To install it, where core-daemon runs:

    sudo install pcapper /usr/local/bin/
    mkdir -p ~/.coregui/custom_services && cp pcapper_service.py ~/.coregui/custom_services/

Then have /etc/core/core.conf say `custom_config_services_dir = /home/USER/.coregui/custom_services`, and
restart core-daemon. In the GUI the service is PCapper, in the group of that name. docs/recollect.md says how
a collector on the host reads all nodes.
"""

from core.config import ConfigBool, ConfigString
from core.configservice.base import ConfigService, ConfigServiceMode

SCRIPT = "pcapper.sh"
# The mode of pcapper and its port.
SENT, RECEIVED = ("src", 7073), ("dst", 7074)


def agents(interfaces, config):
    """The commands that a node with these interfaces needs, each with the name of what belongs to it."""
    if not interfaces:
        return []
    wanted = [SENT]
    if config["received"].lower() in ("1", "true", "on"):
        wanted.append(RECEIVED)
    watched = " ".join(f"-i {interface}" for interface in interfaces)
    found = []
    for mode, port in wanted:
        name = f"pcapper-{mode}"
        command = f"pcapper {watched} -m {mode} -p {port} -f {name}.log --reattach {config['flags']}"
        found.append((name, command.strip()))
    return found


class PCapperService(ConfigService):
    """See the module. Files are in the folder of the node: logs, and what the agents say."""

    name = "PCapper"
    group = "PCapper"
    directories = []
    files = [SCRIPT]
    executables = ["pcapper"]
    dependencies = []
    startup = [f"sh {SCRIPT} start"]
    validate = [f"sh {SCRIPT} check"]
    shutdown = [f"sh {SCRIPT} stop"]
    validation_mode = ConfigServiceMode.BLOCKING
    default_configs = [
        ConfigBool(id="received", label="Received traffic", default="0"),
        ConfigString(id="flags", label="More flags of pcapper", default=""),
    ]
    modes = {}
    shadow_directories = []

    def data(self):
        """What the template is filled with."""
        interfaces = [interface.name for interface in self.node.get_ifaces(control=False)]
        return {"agents": agents(interfaces, self.render_config())}

    def get_text_template(self, name):
        """A script that starts, checks and stops the agents of a node."""
        return """
        #!/bin/sh
        # The agents of node ${node.name}.
        case "$1" in
        start)
        % for name, command in agents:
            ${command} > ${name}.out 2>&1 < /dev/null &
            echo $! > ${name}.pid
        % endfor
            ;;
        check)
        % for name, command in agents:
            kill -0 "$(cat ${name}.pid)" || exit 1
        % endfor
            ;;
        stop)
        % for name, command in agents:
            kill "$(cat ${name}.pid)"
        % endfor
            ;;
        esac
        """
