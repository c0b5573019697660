// A CT with a label map over it on one canvas: what the page needs of NiiVue.

const LIBRARY = "./vendor/niivue-0.69.0/niivue.umd.js";

// Each view with the number that NiiVue has for it, and the axis (RAS) along which its slices lie.
export const VIEWS = {
  axial: {type: 0, axis: 2, name: "Axial"},
  coronal: {type: 1, axis: 1, name: "Coronal"},
  sagittal: {type: 2, axis: 0, name: "Sagittal"},
  all: {type: 3, axis: 2, name: "All three"},
  volume: {type: 4, axis: null, name: "3D"},
};

const OPTIONS = {
  isRadiologicalConvention: true, // the patient's right is on the left
  isOrientationTextVisible: true,
  showAllOrientationMarkers: true,
  fontColor: [1, 1, 1, 1],
  fontMinPx: 16,
  crosshairColor: [1, 0.85, 0.25, 0.75],
  crosshairWidth: 0.7,
  crosshairWidthUnit: "mm",
  crosshairGap: 20,
  backColor: [0, 0, 0, 1],
  show3Dcrosshair: false,
  multiplanarShowRender: 0, // never
  multiplanarPadPixels: 24,
  isOrientCube: true, // in 3D
  dragAndDropEnabled: false, // a dropped file is an upload
  logLevel: "silent",
  dragMode: 9, // with the right button: windowing
};

export function canDraw() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

const FROM_THE_FRONT = [170, 10]; // degrees

// `image`, `overlay`: NIfTI files as buffers, the second null where there is none; `classes`: of the overlay, with
// `value`, `name` and `colour`; `opacity`: of the overlay. `onPlace(scene)` is called when another place is shown,
// `onWindow` with its HU.
export async function createScene(canvas, {image, overlay, classes, opacity, windowHu, onPlace, onWindow}) {
  await import(LIBRARY);
  const {Niivue, NVImage} = globalThis.niivue;
  const viewer = new Niivue({...OPTIONS});
  await viewer.attachToCanvas(canvas);
  const load = (buffer, name, share) => NVImage.new(buffer, name, "gray", share, null, ...windowHu);
  const ct = await load(image, "ct.nii", 1);
  const labels = overlay && await load(overlay, "labels.nii", opacity);
  labels?.setColormapLabel(tableOf(classes));
  viewer.opts.atlasOutline = opacity;
  for (const volume of [ct, labels].filter(Boolean)) viewer.addVolume(volume);
  const all = labels?.img;
  let [view, isOutlined] = ["axial", false];

  const refresh = (volume) => { // alone: the other may be large
    viewer.refreshLayers(volume, viewer.volumes.indexOf(volume));
    viewer.drawScene();
  };
  const redraw = () => {
    const isSolid = view === "volume" && labels !== null; // the CT would hide what is in it
    if (ct.opacity !== Number(!isSolid)) {
      ct.opacity = Number(!isSolid);
      refresh(ct);
    }
    if (!labels) return;
    labels.opacity = isSolid ? 1 : isOutlined ? 0 : opacity;
    viewer.opts.atlasOutline = isSolid ? 0 : opacity; // without it, borders and all that is thin would be fainter
    viewer.opts.renderOverlayBlend = opacity ** 3; // it counts at each step of a ray
    refresh(labels);
  };
  viewer.setRenderAzimuthElevation(...FROM_THE_FRONT);

  const scene = {
    canvas,
    setView(name) {
      const before = view;
      view = name;
      if ((before === "volume") !== (view === "volume")) redraw();
      viewer.setSliceType(VIEWS[view].type);
      onPlace(scene);
    },
    setWindow([low, high]) {
      [ct.cal_min, ct.cal_max] = [low, high];
      refresh(ct);
    },
    setOpacity(share) {
      opacity = share;
      redraw();
    },
    // NiiVue would outline classes without a colour too, so they are taken out of the map.
    setHidden(values) {
      if (!labels) return;
      labels.img = values.size ? without(all, values) : all;
      refresh(labels);
    },
    setOutlined(instead) {
      isOutlined = instead;
      redraw();
    },
    // The slice that is shown, from 0, and how many there are; null in 3D.
    slice() {
      const {axis} = VIEWS[view];
      if (axis === null) return null;
      return {index: Math.round(viewer.frac2vox(viewer.scene.crosshairPos)[axis]), count: ct.dimsRAS[axis + 1]};
    },
    goTo(index) {
      const now = scene.slice();
      const steps = [0, 0, 0];
      if (now === null) return;
      steps[VIEWS[view].axis] = Math.max(0, Math.min(now.count - 1, index)) - now.index;
      viewer.moveCrosshairInVox(...steps);
    },
    turn(azimuth, elevation) {
      viewer.setRenderAzimuthElevation(viewer.scene.renderAzimuth + azimuth, viewer.scene.renderElevation + elevation);
    },
    // The place as shares of the extent, which another scene may take over.
    place: () => [...viewer.scene.crosshairPos],
    setPlace(shares) {
      viewer.scene.crosshairPos = viewer.scene.crosshairPos.map((_, axis) => shares[axis]);
      viewer.drawScene();
    },
    // Density and class at the crosshair.
    value() {
      const mm = viewer.frac2mm(viewer.scene.crosshairPos, 0, true);
      const at = (volume) => volume.getValue(...volume.mm2vox(mm).slice(0, 3));
      return {hu: at(ct), label: labels ? Math.round(at(labels)) : 0};
    },
    // Goes to the axial slice where the class, or else any, is largest.
    showLargest(value) {
      if (!labels) return;
      const [, columns, rows] = labels.dimsRAS;
      const mm = labels.vox2mm([columns / 2, rows / 2, largestSlice(labels, value)], labels.matRAS);
      scene.goTo(Math.round(viewer.frac2vox(viewer.mm2frac(mm, 0, true))[2])); // the CT may have another grid
    },
    dispose() {
      viewer.cleanup();
      viewer.gl.getExtension("WEBGL_lose_context")?.loseContext(); // a browser has few of them
    },
  };
  viewer.onLocationChange = () => onPlace(scene);
  viewer.onIntensityChange = () => onWindow([ct.cal_min, ct.cal_max]);
  scene.setView(view);
  return scene;
}

function tableOf(classes) {
  const part = (channel) => [0, ...classes.map((one) => one.colour[channel])];
  const values = [0, ...classes.map(({value}) => value)];
  return {
    R: part(0), G: part(1), B: part(2), A: values.map((value) => (value === 0 ? 0 : 255)), I: values,
    labels: ["", ...classes.map(({name}) => name)],
  };
}

function without(voxels, values) {
  const kept = voxels.slice();
  const isHidden = Array.from({length: 256}, (_, value) => values.has(value));
  for (let voxel = 0; voxel < kept.length; voxel += 1) {
    if (isHidden[kept[voxel]]) kept[voxel] = 0;
  }
  return kept;
}

function largestSlice(labels, value) {
  const voxels = labels.img2RAS();
  const [, columns, rows, slices] = labels.dimsRAS;
  const area = columns * rows;
  let [largest, most, mostOfClass] = [Math.floor(slices / 2), 0, 0];
  for (let slice = 0; slice < slices; slice += 1) {
    let [any, ofClass] = [0, 0];
    for (let voxel = slice * area; voxel < (slice + 1) * area; voxel += 1) {
      if (voxels[voxel] !== 0) any += 1;
      if (voxels[voxel] === value) ofClass += 1;
    }
    if (ofClass > mostOfClass || (ofClass === mostOfClass && any > most)) {
      [largest, most, mostOfClass] = [slice, any, ofClass];
    }
  }
  return largest;
}
