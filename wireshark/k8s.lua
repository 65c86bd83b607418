-- Kubernetes names as fields of Wireshark and tshark, 4.0 and newer (Lua 5.2 and 5.4).
--
-- Reads what oc-netobserv writes into pcapng and Wireshark keeps: the comment of a packet, which names both ends,
--
--   k8s src=shop/web-7d9:Deployment/web dst=db/pg-0:StatefulSet/pg svc=db/pg drop=NETFILTER_DROP pid=41 comm=nginx
--
-- and the description of the interface where it was seen,
--
--   k8s.node=n1;k8s.ns=shop;k8s.pod=web-7d9;k8s.workload=Deployment/web;k8s.labels=app=web,tier=front
--
-- Fields are registered here once and for all, because a filter that names an unknown field is an error. What is
-- read once is kept: a packet without comment or description costs two look-ups and no string at all.

local k8s = Proto("k8s", "Kubernetes")

-- Fields ---------------------------------------------------------------------------------------------------------

local fields = {}

local function text(name, label, help)
  fields[name] = ProtoField.string("k8s." .. name, label, base.UNICODE, help)
end

local function number(name, label, help)
  fields[name] = ProtoField.uint32("k8s." .. name, label, base.DEC, nil, 0, help)
end

text("node", "Node", "Node of the interface where the packet was seen")
text("ns", "Namespace", "Namespace of the pod whose interface saw the packet")
text("pod", "Pod", "Pod whose interface saw the packet")
text("uid", "Pod UID", "UID of the pod whose interface saw the packet")
text("workload", "Workload", "Name of the workload of the pod whose interface saw the packet")
text("workload_kind", "Workload kind", "Kind of the workload of the pod whose interface saw the packet")
text("labels", "Labels", "Labels of the pod whose interface saw the packet, app=web,tier=front")
text("label", "Label", "One label of the pod whose interface saw the packet, app=web")
text("svc", "Service", "Service that the two ends speak through, namespace/name")
text("svc.ns", "Service namespace", "Namespace of the Service")
text("svc.name", "Service name", "Name of the Service")
text("drop_reason", "Drop reason", "Why the kernel dropped the packet")
text("process", "Process", "Process at either end")
number("pid", "Process id", "Process at either end, in the host's numbers")
text("container", "Container", "Container of a process at either end")
text("other", "Also", "What the comment says besides, key=value")

for _, side in ipairs({ { "src", "Source" }, { "dst", "Destination" }, { "any", "Either end" } }) do
  local prefix, label = side[1], side[2]
  local of = label:lower()
  text(prefix .. ".name", label, "Whole name of the " .. of .. ", namespace/pod where it is a pod")
  text(prefix .. ".kind", label .. " kind", "Kind of the " .. of .. ": Pod, Service, Node, ...")
  text(prefix .. ".ns", label .. " namespace", "Namespace of the " .. of)
  text(prefix .. ".pod", label .. " pod", "Pod at the " .. of)
  text(prefix .. ".workload", label .. " workload", "Name of the workload at the " .. of)
  text(prefix .. ".workload_kind", label .. " workload kind", "Kind of the workload at the " .. of)
  text(prefix .. ".node", label .. " node", "Node of the " .. of)
  text(prefix .. ".svc", label .. " Service", "Service at the " .. of .. ", namespace/name")
  text(prefix .. ".process", label .. " process", "Process at the " .. of)
  number(prefix .. ".pid", label .. " process id", "Process at the " .. of .. ", in the host's numbers")
  text(prefix .. ".container", label .. " container", "Container at the " .. of)
end

local list = {}
for _, field in pairs(fields) do
  list[#list + 1] = field
end
k8s.fields = list

local dropped = ProtoExpert.new("k8s.dropped", "The kernel dropped this packet", expert.group.PROTOCOL,
  expert.severity.WARN)
k8s.experts = { dropped }

local comment_of = Field.new("frame.comment")
local description_of = Field.new("frame.interface_description")

-- Reading --------------------------------------------------------------------------------------------------------

-- What a text says, in the order of the tree: name of the field, value, whether it is shown.
local function say(said, name, value, hidden)
  if value ~= nil and value ~= "" then
    said[#said + 1] = { fields[name], value, hidden }
  end
end

-- `Deployment/web` as kind and name.
local function kind_and_name(value)
  local kind, name = value:match("^([^/]*)/(.*)$")
  return kind or "", name or value
end

local function say_end(said, side, name, value)
  say(said, side .. "." .. name, value)
  say(said, "any." .. name, value, true)
end

local function say_workload(said, side, value)
  local kind, name = kind_and_name(value)
  say_end(said, side, "workload", name)
  say_end(said, side, "workload_kind", kind)
end

-- `shop/web-7d9:Deployment/web`, `shop/web-7d9`, or `Service:db/pg`, `Node:n1` for what is no pod.
local function say_name(said, side, value)
  local kind, name, workload = "Pod", value:match("^([^:]*/[^:]*):(.*)$")
  if not name then
    local of, rest = value:match("^(%u%a*):(.+)$")
    kind, name = of or (value:find("/", 1, true) and "Pod") or "", rest or value
  end
  local ns, object = name:match("^([^/]*)/(.*)$")
  say_end(said, side, "name", name)
  say_end(said, side, "kind", kind)
  say_end(said, side, "ns", ns)
  if kind == "Pod" then
    say_end(said, side, "pod", object)
  elseif kind == "Service" then
    say_end(said, side, "svc", name)
  elseif kind == "Node" then
    say_end(said, side, "node", name)
  end
  if workload and workload ~= "" then
    say_workload(said, side, workload)
  end
end

local function say_svc(said, value)
  local ns, name = value:match("^([^/]*)/(.*)$")
  say(said, "svc", value)
  say(said, "svc.ns", ns, true)
  say(said, "svc.name", name, true)
end

-- What belongs to one end, by its key after `src.` or `dst.`.
local of_end = {
  node = "node",
  comm = "process",
  container = "container",
}

local keys = {
  src = function(said, value) say_name(said, "src", value) end,
  dst = function(said, value) say_name(said, "dst", value) end,
  svc = say_svc,
  drop = function(said, value) say(said, "drop_reason", value) end,
  pid = function(said, value) say(said, "pid", tonumber(value)) end,
  comm = function(said, value) say(said, "process", value) end,
  container = function(said, value) say(said, "container", value) end,
}

for _, side in ipairs({ "src", "dst" }) do
  for key, name in pairs(of_end) do
    keys[side .. "." .. key] = function(said, value)
      say_end(said, side, name, value)
      if name ~= "node" then
        say(said, name, value, true)
      end
    end
  end
  keys[side .. ".pid"] = function(said, value)
    say_end(said, side, "pid", tonumber(value))
    say(said, "pid", tonumber(value), true)
  end
end

-- Values have no space in them: what would be one is written %20, and % itself %25.
local function plain(value)
  if not value:find("%", 1, true) then
    return value
  end
  return (value:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function read_comment(line)
  local said = {}
  for key, value in line:gmatch("([%w_.]+)=(%S*)") do
    local take = keys[key]
    if take then
      take(said, plain(value))
    else
      say(said, "other", key .. "=" .. plain(value))
    end
  end
  for _, one in ipairs(said) do
    if one[1] == fields.drop_reason then
      said.drop = one[2]
    elseif one[1] == fields["src.name"] then
      said.src = one[2]
    elseif one[1] == fields["dst.name"] then
      said.dst = one[2]
    end
  end
  return said
end

local simple = { node = "node", ns = "ns", pod = "pod", uid = "uid" }

local function read_description(line)
  local said = {}
  for key, value in line:gmatch("k8s%.([%w_]+)=([^;]*)") do
    value = plain(value)
    if simple[key] then
      say(said, simple[key], value)
      said[key] = value
    elseif key == "workload" then
      local kind, name = kind_and_name(value)
      say(said, "workload", name)
      say(said, "workload_kind", kind)
    elseif key == "labels" then
      say(said, "labels", value)
      for label in value:gmatch("[^,]+") do
        say(said, "label", label, true)
      end
    end
  end
  return said
end

-- Keeping --------------------------------------------------------------------------------------------------------

-- A reader of texts that remembers them. There are as many as there are pairs of ends and interfaces, which is few;
-- a file of nothing but different ones begins anew rather than fill the memory.
local MOST = 20000

local function remembering(read)
  local known, count = {}, 0
  local function clear()
    known, count = {}, 0
  end
  return function(line)
    local said = known[line]
    if not said then
      if count >= MOST then
        clear()
      end
      said = read(line)
      known[line], count = said, count + 1
    end
    return said
  end, clear
end

local comment, forget_comments = remembering(read_comment)
local description, forget_descriptions = remembering(read_description)

function k8s.init()
  forget_comments()
  forget_descriptions()
end

-- Showing --------------------------------------------------------------------------------------------------------

local function show(tree, said)
  for n = 1, #said do
    local one = said[n]
    local item = tree:add(one[1], one[2]):set_generated()
    if one[3] then
      item:set_hidden()
    end
  end
end

-- Comments of others and of people stand beside ours; newer releases give each line as a value of its own.
local function ours(...)
  for n = 1, select("#", ...) do
    local line = tostring((select(n, ...)))
    if line:sub(1, 4) == "k8s " then
      return comment((line:match("^[^\r\n]*")))
    end
  end
  return nil
end

function k8s.dissector(_, _, tree)
  local first = comment_of()
  local ends = first and ours(comment_of())
  local at = description_of()
  local seen = at and description(tostring(at))
  if not ends and (not seen or #seen == 0) then
    return
  end
  local title = "Kubernetes"
  if ends and (ends.src or ends.dst) then
    title = title .. ": " .. (ends.src or "?") .. " \226\134\146 " .. (ends.dst or "?")
  end
  if seen and seen.node then
    title = title .. ", seen at " .. (seen.pod and ((seen.ns or "") .. "/" .. seen.pod .. " on ") or "") .. seen.node
  end
  local branch = tree:add(k8s, title)
  branch:set_generated()
  if ends then
    show(branch, ends)
    if ends.drop then
      branch:add_proto_expert_info(dropped, "The kernel dropped this packet: " .. ends.drop)
    end
  end
  if seen then
    show(branch, seen)
  end
end

register_postdissector(k8s)
